import open_clip
import pytest
import torch
from encoder_models import load, write_clip_folder

from pipeline.encoders.families.open_clip_prompts import open_clip_prompts
from pipeline.encoders.prompt_tower import require_prompts
from pipeline.encoders.torch_encoder import TorchEncoder, resolve_device
from pipeline.encoders.towers import ImageTower
from pipeline.errors import ConfigError, EncoderError
from pipeline.images.preprocess import Preprocess

TOLERANCE = 2e-5  # vectors are of order 1; matrix products of other sizes round differently
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 3}
SENTENCES = ["an ID photo of a face.", "fear", "a photo of a very surprised old person, outdoors"]


def made(custom=False, **text):
    """A small open_clip model with random weights, frozen, and its tokenizer."""
    vision = {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
        model = kind(embed_dim=24, vision_cfg=vision, text_cfg=TEXT | text).eval().requires_grad_(False)
        for value in model.parameters():
            torch.nn.init.normal_(value, std=0.1) if value.ndim == 1 else None  # biases start at 0, scales at 1
    tokenizer = open_clip.SimpleTokenizer(context_length=(TEXT | text)["context_length"])
    return model, tokenizer, open_clip_prompts(model, tokenizer, "small")


def rows_of(tower):
    return [[*tower.start, *tower.words(sentence), tower.end] for sentence in SENTENCES]


def encoded(tower, n_positions):
    """Every sentence, on `n_positions` of the context."""
    rows = rows_of(tower)
    ids = [row + [tower.pad] * (n_positions - len(row)) for row in rows]
    return tower.encode(torch.stack([tower.embed(row) for row in ids]), torch.tensor([len(row) - 1 for row in rows]))


CAUSAL = {
    "clip": {},
    "eos": {"pool_type": "eos", "eos_id": 49407},
    "custom": {"custom": True},
    "layer scale": {"custom": True, "ls_init_value": 0.5},
    "projection with bias": {"custom": True, "proj_bias": True},
    "no projection": {"custom": True, "proj_type": "none"},
    "short context": {"context_length": 32},
}
SEES_PADDING = {
    "no causal mask": {"no_causal_mask": True},
    "pooled at the last": {"custom": True, "pool_type": "last"},
    "pooled at the last, no causal mask": {"custom": True, "pool_type": "last", "no_causal_mask": True},
    "pooled at the first, no causal mask": {"custom": True, "pool_type": "first", "no_causal_mask": True},
}


@pytest.mark.parametrize("options", CAUSAL.values(), ids=CAUSAL)
def test_positions_after_the_end_do_not_matter(options):
    """The same vectors as open_clip's own encode_text of the full context, from the longest prompt's positions."""
    model, tokenizer, tower = made(**options)
    assert tower.truncates
    torch.testing.assert_close(
        encoded(tower, max(map(len, rows_of(tower)))), model.encode_text(tokenizer(SENTENCES)), rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("options", (CAUSAL | SEES_PADDING).values(), ids=CAUSAL | SEES_PADDING)
def test_the_full_context_is_open_clips_own(options):
    model, tokenizer, tower = made(**options)
    torch.testing.assert_close(
        encoded(tower, tower.context), model.encode_text(tokenizer(SENTENCES)), rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("options", SEES_PADDING.values(), ids=SEES_PADDING)
def test_a_tower_that_looks_at_the_padding_is_not_cut(options):
    tower = made(**options)[2]
    assert not tower.truncates
    with pytest.raises(EncoderError, match="expected all 77 positions, found 14"):
        encoded(tower, 14)
    with pytest.raises(EncoderError, match="no prefix to share"):
        tower.prefix(tower.embed([1])[None])


@pytest.mark.parametrize("cuts", [(3,), (1, 4)], ids=["one piece", "piece after piece"])
def test_a_prefix_stands_for_its_positions(cuts):
    tower = made()[2]
    rows = torch.stack([tower.embed(rows_of(tower)[0]), tower.embed(rows_of(tower)[0][::-1])])
    rows[1, : cuts[-1]] = rows[0, : cuts[-1]]
    ends = torch.tensor([rows.shape[1] - 1] * 2)
    prefix, start = None, 0
    for cut in cuts:
        prefix, start = tower.prefix(rows[:1, start:cut], prefix), cut
    assert len(prefix) == cuts[-1]
    found = tower.encode(rows[:, start:], ends - start, prefix)
    torch.testing.assert_close(found, tower.encode(rows, ends), rtol=0, atol=TOLERANCE)


def test_a_prefix_of_each_group_serves_all_of_its_prompts():
    tower = made()[2]
    beginnings, rest = torch.randn(2, 3, 32), torch.randn(6, 4, 32)  # two groups of three prompts
    whole = torch.cat([beginnings.repeat_interleave(3, dim=0), rest], dim=1)
    expected = tower.encode(whole, torch.full((6,), 6))
    found = tower.encode(rest, torch.full((6,), 3), tower.prefix(beginnings).each(3))
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


def test_gradients_are_those_of_the_full_context_and_reach_no_weight():
    model, _, tower = made()
    tokens, gradients = tower.embed(rows_of(tower)[0]), []
    for n_positions in (len(tokens), tower.context):
        learned = tokens.clone().requires_grad_()
        padding = tower.embed([tower.pad] * (n_positions - len(tokens)))
        embedded = torch.cat([learned, padding]).unsqueeze(0)
        tower.encode(embedded, torch.tensor([len(tokens) - 1])).square().sum().backward()
        gradients.append(learned.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
    assert all(value.grad is None for value in model.parameters())


def test_gradients_flow_through_a_prefix():
    tower = made()[2]
    tokens, gradients = tower.embed(rows_of(tower)[0]), []
    for cut in (0, 4):
        learned = tokens.clone().requires_grad_()
        prefix = tower.prefix(learned[None, :cut]) if cut else None
        ends = torch.tensor([len(tokens) - 1 - cut])
        tower.encode(learned[None, cut:], ends, prefix).square().sum().backward()
        gradients.append(learned.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_words_are_the_tokens_between_start_and_end():
    _, tokenizer, tower = made()
    assert (tower.start, tower.end, tower.pad) == ([tokenizer.sot_token_id], tokenizer.eot_token_id, 0)
    assert tower.words("an ID photo of") == tokenizer.encode("an ID photo of")
    assert tower.words("") == []


def test_a_sentence_longer_than_the_context_is_refused():
    tower = made(context_length=8)[2]
    assert len(tower.words("a a a a a")) == 5
    with pytest.raises(ConfigError, match="expected fewer than 6 tokens"):
        tower.words("a a a a a a")


def test_more_positions_than_the_context_are_refused():
    tower = made(context_length=8)[2]
    with pytest.raises(ConfigError, match="at most 8 positions, those of the text tower, found 9"):
        tower.encode(torch.zeros(1, 6, 32), torch.tensor([5]), tower.prefix(torch.zeros(1, 3, 32)))


def test_the_nearest_words_of_a_words_own_embedding_begin_with_it():
    tower = made()[2]
    ids = tower.words("happy face")
    found = tower.nearest_words(tower.embed(ids) * 1.001, n=3)
    assert [row[0][0] for row in found] == ["happy", "face"]
    for row in found:
        assert len(row) == 3
        assert row[0][1] < row[1][1] <= row[2][1]


def test_distances_of_words_are_euclidean():
    """A word moved by 0.3 in one direction and 0.4 in another is 0.5 away."""
    tower = made()[2]
    moved = tower.embed(tower.words("happy"))
    moved[0, 0] += 0.3
    moved[0, 1] += 0.4
    every = tower.nearest_words(moved, n=49408)[0]
    assert next(distance for word, distance in every if word == "happy") == pytest.approx(0.5, abs=1e-3)


def test_the_logit_scale_is_the_models():
    model, _, tower = made()
    model.logit_scale.fill_(2.0)
    assert open_clip_prompts(model, open_clip.SimpleTokenizer(), "small").logit_scale == pytest.approx(7.389056)
    assert tower.logit_scale != pytest.approx(7.389056)


def test_the_tower_shares_the_models_weights():
    model, _, tower = made()
    before = encoded(tower, 77)
    model.text_projection.mul_(2)
    torch.testing.assert_close(encoded(tower, 77), before * 2)


def test_towers_with_a_class_token_are_refused():
    with pytest.raises(EncoderError, match=r"small: prompts are learned .* found TextTransformer"):
        made(custom=True, embed_cls=True, context_length=76)


def test_towers_that_mask_their_padding_are_refused():
    model, tokenizer, _ = made(custom=True)
    model.text.use_pad_mask = True
    with pytest.raises(EncoderError, match=r"small: prompts are learned .* found TextTransformer"):
        open_clip_prompts(model, tokenizer, "small")


def test_other_blocks_are_refused():
    model, tokenizer, _ = made(custom=True)
    model.text.transformer.resblocks[0] = torch.nn.Identity()
    with pytest.raises(EncoderError, match="plain attention blocks"):
        open_clip_prompts(model, tokenizer, "small")


def test_an_encoder_offers_the_prompts_of_its_text_tower(tmp_path):
    folder, _ = write_clip_folder(tmp_path / "clip")
    encoder = load(f"open_clip:small@{folder}")
    tower = require_prompts(encoder)
    assert tower is encoder.prompts
    row = [*tower.start, *tower.words("a face"), tower.end]
    found = tower.encode(tower.embed(row)[None], torch.tensor([len(row) - 1]))
    torch.testing.assert_close(found, torch.tensor(encoder.encode_text(["a face"])), rtol=0, atol=TOLERANCE)


def test_an_encoder_without_text_offers_no_prompts():
    encoder = TorchEncoder(
        {"family": "f", "architecture": "a"}, Preprocess(8), ImageTower(torch.nn.Flatten()), resolve_device("cpu")
    )
    with pytest.raises(EncoderError, match=r"f:a has no text tower\. Heads that need text work with an open_clip"):
        require_prompts(encoder)


def test_the_untrained_encoders_prompts_have_its_short_context():
    tower = load("untrained").prompts
    assert (tower.context, tower.width, tower.truncates) == (32, 128, True)
