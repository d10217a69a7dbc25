import math

import pytest
import torch

from pipeline.images.augment import to_images
from pipeline.learning.spec import HeadSpec
from pipeline.methods.mask.heads import FeatureMaskHead, ImageMaskHead, TokenMaskHead, resize_channels

INPUTS = {"pooled": (6,), "tokens": (3, 2), "pixels": (16, 16, 3)}
KINDS = {
    "feature-mask": (FeatureMaskHead, ("pooled",), {"hidden": 4}),
    "token-mask": (TokenMaskHead, ("pooled", "tokens"), {"hidden": 4, "queries": 2}),
    "image-mask": (ImageMaskHead, ("pooled", "pixels"), {"backbone": "small"}),
}


def make(kind, **changes):
    head_class, reads, options = KINDS[kind]
    options = {"sigmoid": True, "bias": True} | options | changes
    inputs = {name: INPUTS[name] for name in reads}
    return head_class(HeadSpec(kind, ("fear", "anger"), inputs, {}, "faces", "raw", options))


def drawn(kind, **changes):
    head = make(kind, **changes)
    head.reset(torch.Generator().manual_seed(0))
    return head.eval()


def zeroed(kind, **changes):
    head = make(kind, **changes)
    for value in head.parameters():
        torch.nn.init.zeros_(value)
    return head.eval()


def rows(kind, n=4, seed=1):
    rng = torch.Generator().manual_seed(seed)
    made = {
        "pooled": torch.randn(n, 6, generator=rng),
        "tokens": torch.randn(n, 3, 2, generator=rng),
        "pixels": torch.randint(256, (n, 16, 16, 3), generator=rng, dtype=torch.uint8),
    }
    return {name: made[name] for name in KINDS[kind][1]}


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_gates_every_channel(kind):
    """All weights 0, biases 0: the mask is sigmoid(0) = 0.5 everywhere, and without sigmoid 0."""
    inputs = rows(kind)
    for sigmoid, expected in ((True, inputs["pooled"] / 2), (False, inputs["pooled"] * 0)):
        torch.testing.assert_close(zeroed(kind, sigmoid=sigmoid).gate(inputs), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sigmoid_mask_only_ever_shrinks_a_channel(kind):
    inputs = rows(kind)
    shares = drawn(kind).gate(inputs) / inputs["pooled"]
    assert ((shares > 0) & (shares < 1)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_bias_a_feature_of_zeros_has_logits_of_zero(kind):
    inputs = rows(kind) | {"pooled": torch.zeros(4, 6)}
    assert not drawn(kind, bias=False)(inputs).any()
    assert drawn(kind)(inputs).all()


@pytest.mark.parametrize(("kind", "output"), [("token-mask", "tokens"), ("image-mask", "pixels")])
def test_the_mask_is_made_from_the_other_output(kind, output):
    head, inputs = drawn(kind), rows(kind)
    other = inputs | {output: rows(kind, seed=2)[output]}
    assert not torch.equal(head.gate(inputs), head.gate(other))
    shares = head.gate(inputs) / inputs["pooled"]
    torch.testing.assert_close(head.gate(inputs | {"pooled": 3 * inputs["pooled"]}), 3 * inputs["pooled"] * shares)


@pytest.mark.parametrize("kind", KINDS)
def test_all_first_weights_come_from_the_generator(kind):
    heads = [make(kind) for _ in range(2)]
    for head in heads:
        for value in head.parameters():
            torch.nn.init.constant_(value, math.nan)
        head.reset(torch.Generator().manual_seed(3))
    assert all(value.isfinite().all() for value in heads[0].state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(heads[0].parameters(), heads[1].parameters(), strict=True))


@pytest.mark.parametrize(("first", "mask"), [(2.0, 6.0), (-2.0, -0.06)])
def test_between_its_two_layers_a_mask_network_leaks(first, mask):
    """The first layer takes 3 times channel 0, 6 or -6; of the negative a hundredth passes; the second adds nothing."""
    head = zeroed("feature-mask", hidden=1, sigmoid=False)
    with torch.no_grad():
        head.network[0].weight[0, 0] = 3.0
        head.network[2].weight.fill_(1.0)
    pooled = torch.tensor([[first, 1.0, 1.0, 1.0, 1.0, 1.0]])
    torch.testing.assert_close(head.gate({"pooled": pooled}), mask * pooled)


def test_queries_start_like_a_linear_layer():
    """Uniform in [-1, 1] / sqrt(2), so the deviation is 1 / sqrt(6)."""
    queries = drawn("token-mask", queries=500).queries
    assert queries.abs().max().item() <= 0.5**0.5
    assert queries.std().item() == pytest.approx(6**-0.5, rel=0.05)


def test_the_image_network_sees_normalised_pixels():
    head, inputs = drawn("image-mask", sigmoid=False), rows("image-mask") | {"pooled": torch.ones(4, 6)}
    features = head.backbone(to_images(inputs["pixels"]))
    torch.testing.assert_close(head.gate(inputs), resize_channels(features, 6))


def test_images_go_through_in_smaller_chunks_than_features():
    assert (ImageMaskHead.predict_rows, FeatureMaskHead.predict_rows) == (64, 8192)


def test_a_query_looks_at_the_tokens_that_point_its_way():
    """Tokens (1, -1) and (-1, 1), query (ln 3 / 2, 0): scores ln 3 / 2 and -ln 3 / 2, so 3 to 1: 0.75 and 0.25."""
    head = make("token-mask", queries=1)
    with torch.no_grad():
        head.queries.copy_(torch.tensor([[math.log(3) / 2, 0.0]]))
    found = head.attention(torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]]))
    torch.testing.assert_close(found, torch.tensor([[[0.75], [0.25]]]))


def test_the_mask_is_made_from_what_the_queries_found():
    """As above from tokens (2, 0) and (0, 2), which are (1, -1) and (-1, 1) when normed: found
    0.75 (1, -1) + 0.25 (-1, 1) = (0.5, -0.5). First layer: 2 times the first number, so 1; second: ones. Mask 1."""
    head = zeroed("token-mask", queries=1, hidden=1, sigmoid=False)
    with torch.no_grad():
        head.queries.copy_(torch.tensor([[math.log(3) / 2, 0.0]]))
        head.network[0].weight.copy_(torch.tensor([[2.0, 0.0]]))
        head.network[2].weight.fill_(1.0)
    inputs = {"pooled": torch.arange(6.0)[None], "tokens": torch.tensor([[[2.0, 0.0], [0.0, 2.0]]])}
    torch.testing.assert_close(head.gate(inputs), inputs["pooled"], rtol=1e-4, atol=1e-4)  # of the layer norm's epsilon


def test_order_and_length_of_tokens_do_not_matter():
    head, inputs = drawn("token-mask"), rows("token-mask")
    turned = inputs | {"tokens": 50 * inputs["tokens"].flip(1)}
    torch.testing.assert_close(head(inputs), head(turned), rtol=1e-3, atol=1e-3)  # of the layer norm's epsilon


def test_a_row_alone_has_the_logits_it_has_in_a_batch():
    head, inputs = drawn("image-mask"), rows("image-mask")
    alone = torch.cat([head({name: values[i : i + 1] for name, values in inputs.items()}) for i in range(4)])
    torch.testing.assert_close(alone, head(inputs))


def test_wide_networks_are_reduced_by_sliding_means():
    """Four channels to two: (1, 3 | 5, 9), means 2 and 7."""
    assert resize_channels(torch.tensor([[1.0, 3.0, 5.0, 9.0]]), 2).tolist() == [[2.0, 7.0]]


def test_narrow_networks_are_stretched_linearly():
    """Two channels to four. On a line of length 4 the centres of the two lie at 1 and 3, those of the four at 0.5, 1.5,
    2.5 and 3.5: before the first 0; a quarter and three quarters of the way from 0 to 8; after the last 8."""
    assert resize_channels(torch.tensor([[0.0, 8.0]]), 4).tolist() == [[0.0, 2.0, 6.0, 8.0]]


def test_networks_of_equal_width_are_left_alone():
    features = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    assert resize_channels(features, 5) is features


def test_published_networks_mask_a_feature_of_512_channels():
    for backbone in ("resnet18", "resnet50", "mobilenet_v2"):
        spec = HeadSpec(
            "image-mask",
            ("fear", "anger"),
            {"pooled": (512,), "pixels": (32, 32, 3)},
            {},
            "faces",
            "raw",
            {"sigmoid": True, "bias": True, "backbone": backbone},
        )
        head = ImageMaskHead(spec)
        head.reset(torch.Generator().manual_seed(0))
        inputs = {"pooled": torch.ones(2, 512), "pixels": torch.zeros(2, 32, 32, 3, dtype=torch.uint8)}
        with torch.no_grad():
            assert head.eval().gate(inputs).shape == (2, 512)
