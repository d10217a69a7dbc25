import open_clip
import pytest
import torch
from tiny_encoder import tiny_encoder

from pipeline.encoders.families.open_clip_prompts import open_clip_prompts
from pipeline.errors import ConfigError
from pipeline.models.prompt_learners import MetaNet, Prompts, learned, prompt_row

TOLERANCE = 2e-5


@pytest.fixture
def tower():
    return tiny_encoder().prompts


def bidirectional():
    """A tower whose words see the padding."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        text = {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
        vision = {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8}
        model = open_clip.CLIP(embed_dim=8, vision_cfg=vision, text_cfg=text | {"no_causal_mask": True})
    tokenizer = open_clip.SimpleTokenizer(context_length=20)
    return open_clip_prompts(model.eval().requires_grad_(False), tokenizer, "bidirectional")


NAMES = ("fear", "great surprise", "sadness")


# All that the methods use: what makes the rows, and whether prompts share their tokens.
LAYOUTS = {
    "alike but for their own tokens": (lambda tower: [prompt_row(tower, "a photo of", learned(0, 4), ".")] * 3, False),
    "shared, names last": (lambda tower: [prompt_row(tower, learned(0, 4), name, ".") for name in NAMES], True),
    "own, names last": (lambda tower: [prompt_row(tower, learned(0, 4), name, ".") for name in NAMES], False),
    "shared, names between": (
        lambda tower: [prompt_row(tower, learned(0, 2), name, learned(2, 4), ".") for name in NAMES],
        True,
    ),
    "shared, names first": (lambda tower: [prompt_row(tower, name, learned(0, 4), ".") for name in NAMES], True),
    "shared, alike": (lambda tower: [prompt_row(tower, "a", learned(0, 4))] * 3, True),
    "a single prompt": (lambda tower: [prompt_row(tower, "a photo of", learned(0, 4))], True),
}


def laid_out(tower, name):
    make, shared = LAYOUTS[name]
    return make(tower), shared


def tokens_for(rows, shared, width, n_versions=2):
    rng = torch.Generator().manual_seed(1)
    return torch.randn(n_versions, 1 if shared else len(rows), 4, width, generator=rng) / 10


@pytest.mark.parametrize("name", LAYOUTS)
def test_truncated_and_full_context_give_equal_vectors_and_gradients(tower, name):
    rows, shared = laid_out(tower, name)
    vectors, gradients = [], []
    for context in ("truncated", "full"):
        tokens = tokens_for(rows, shared, tower.width).requires_grad_()
        found = Prompts(tower, rows, shared_tokens=shared, context=context).encode(tokens)
        found.square().sum().backward()
        vectors.append(found)
        gradients.append(tokens.grad)
    assert vectors[0].shape == (2, len(rows), 32)
    torch.testing.assert_close(*vectors, rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_places_filled_with_the_embeddings_of_words_are_those_words(tower):
    rows = [prompt_row(tower, learned(0, 2), name, ".") for name in NAMES]
    words = tower.embed(tower.words("happy face"))
    found = Prompts(tower, rows, shared_tokens=True).encode(words[None, None])[0]
    expected = torch.tensor(tiny_encoder().encode_text([f"happy face {name}." for name in NAMES]))
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


def test_versions_of_the_tokens_do_not_see_each_other(tower):
    rows, shared = laid_out(tower, "shared, names last")
    prompts = Prompts(tower, rows, shared_tokens=True)
    tokens = tokens_for(rows, shared, tower.width, 3)
    apart = torch.cat([prompts.encode(version[None]) for version in tokens])
    torch.testing.assert_close(prompts.encode(tokens), apart, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "constant", "alike", "positions"),
    [
        ("alike but for their own tokens", 4, 4, 18),  # start, a photo of; then three times four tokens, stop, end
        ("shared, names last", 1, 5, 16),  # start; four tokens; three times two words, stop, end
        ("own, names last", 1, 1, 24),
        ("shared, names between", 1, 3, 20),
        ("shared, names first", 1, 1, 24),
        ("shared, alike", 2, 6, 7),  # start, a; four tokens; three ends
        ("a single prompt", 4, 8, 5),
    ],
)
def test_only_what_differs_is_computed_per_prompt(tower, name, constant, alike, positions):
    rows, shared = laid_out(tower, name)
    prompts = Prompts(tower, rows, shared_tokens=shared)
    assert (len(prompts.constant), prompts.n_alike, prompts.n_positions) == (constant, alike, positions)


def test_the_full_context_computes_every_position(tower):
    rows, shared = laid_out(tower, "shared, names last")
    prompts = Prompts(tower, rows, shared_tokens=shared, context="full")
    assert (prompts.constant, prompts.n_alike, prompts.n_positions) == (None, 0, 3 * 77)


def test_a_tower_that_looks_at_the_padding_is_run_in_full():
    tower = bidirectional()
    prompts = Prompts(tower, [prompt_row(tower, learned(0, 1), "face")], shared_tokens=True)
    assert prompts.whole
    found = prompts.encode(tower.embed(tower.words("happy"))[None, None])[0]
    ids = [*prompt_row(tower, "happy face"), *[tower.pad] * 16]
    torch.testing.assert_close(found, tower.encode(tower.embed(ids)[None], torch.tensor([3])), rtol=0, atol=TOLERANCE)


def test_a_prompt_longer_than_the_context_is_refused(tower):
    with pytest.raises(ConfigError, match="at most 77 positions, those of the text tower, found 82"):
        Prompts(tower, [prompt_row(tower, learned(0, 80))])


def test_the_meta_net_by_hand():
    """v = (3, 4) becomes (0.6, 0.8). Hidden: 1 * 0.6 + 2 * 0.8 - 1 = 1.2; wide: (2 * 1.2 + 0.5, -1.2) = (2.9, -1.2).
    -v: hidden -0.6 - 1.6 - 1 < 0: 0; wide: the bias alone, (0.5, 0)."""
    net = MetaNet(2, 2, reduction=2)
    with torch.no_grad():
        net.narrow.weight.copy_(torch.tensor([[1.0, 2.0]]))
        net.narrow.bias.copy_(torch.tensor([-1.0]))
        net.wide.weight.copy_(torch.tensor([[2.0], [-1.0]]))
        net.wide.bias.copy_(torch.tensor([0.5, 0.0]))
    found = net(torch.tensor([[3.0, 4.0], [-3.0, -4.0]]))
    torch.testing.assert_close(found, torch.tensor([[2.9, -1.2], [0.5, 0.0]]))


@pytest.mark.parametrize(("n_in", "hidden"), [(512, 32), (8, 1)])
def test_the_meta_nets_hidden_layer_is_a_sixteenth(n_in, hidden):
    assert MetaNet(n_in, 4).narrow.out_features == hidden
