"""A trainable copy of an encoder's network starts at the cached feature and never touches the encoder."""

from functools import cache

import numpy as np
import pytest
import timm
import torch
from open_clip import CLIP
from tiny_encoder import CONFIG, tiny_encoder

from pipeline.encoders.families.open_clip_tower import open_clip_tower
from pipeline.encoders.families.timm_tower import TimmTower
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.errors import EncoderError, MismatchError
from pipeline.images.augment import to_images
from pipeline.images.preprocess import Preprocess
from pipeline.models.packing import pack, unpack
from pipeline.models.spec import HeadSpec
from pipeline.models.tuned import FineTuneHead, TunedTower

ROUNDING = 1e-5  # features are of order 1
CLASSES = ("fear", "anger", "neutral")


def of_timm(name, size, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model(name, num_classes=0, drop_rate=0.5, **options).eval().requires_grad_(False)
    return TorchEncoder({}, Preprocess(size), TimmTower(model), torch.device("cpu"))


def coca():
    vision = CONFIG["vision_cfg"] | {"attentional_pool": True, "attn_pooler_queries": 5, "attn_pooler_heads": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIP(**(CONFIG | {"vision_cfg": vision | {"output_tokens": True}})).eval().requires_grad_(False)
    return TorchEncoder({}, Preprocess(32), open_clip_tower(model.visual), torch.device("cpu"))


ENCODERS = {
    "CLIP": tiny_encoder,
    "CoCa": cache(coca),
    "ViT": cache(lambda: of_timm("vit_tiny_patch16_224", 32, img_size=32, depth=2, drop_path_rate=0.5)),
    "ResNet": cache(lambda: of_timm("test_resnet", 64)),
}


def noise(n, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


@pytest.fixture(params=ENCODERS)
def encoder(request):
    return ENCODERS[request.param]()


def cached(encoder, n=3, output="pooled"):
    """Pixels, and what extraction keeps of them."""
    pixels = noise(n, encoder.preprocess.size)
    return torch.from_numpy(pixels), torch.from_numpy(encoder.encode_images(pixels, (output,))[output])


class TestTower:
    def test_starts_at_the_cached_feature_from_pixels(self, encoder):
        pixels, pooled = cached(encoder)
        tower = TunedTower(encoder, "pixels").train()
        torch.testing.assert_close(tower.see({"pixels": pixels}), pooled, atol=ROUNDING, rtol=ROUNDING)

    def test_starts_at_the_cached_feature_from_every_block(self, encoder):
        blocks = [name for name in encoder.row_shapes if name.startswith("block-")]
        pixels, pooled = cached(encoder)
        for block in blocks:
            activations = torch.from_numpy(encoder.encode_images(pixels.numpy(), (block,))[block])
            tower = TunedTower(encoder, block).train()
            torch.testing.assert_close(tower.see({block: activations}), pooled, atol=ROUNDING, rtol=ROUNDING)

    def test_sees_the_same_in_images_as_in_their_pixels(self, encoder):
        pixels, pooled = cached(encoder)
        images = to_images(pixels)
        torch.testing.assert_close(TunedTower(encoder, "pixels").see({"images": images}), pooled, atol=1e-4, rtol=1e-4)

    def test_learns_without_a_trace_in_the_encoder(self, encoder):
        pixels, pooled = cached(encoder)
        tower = TunedTower(encoder, "pixels").train()
        optimizer = torch.optim.SGD(tower.parameters(), lr=0.1)
        tower.see({"pixels": pixels}).square().sum().backward()
        optimizer.step()
        assert all(values.requires_grad for values in tower.parameters())
        assert not torch.allclose(tower.see({"pixels": pixels}), pooled, atol=1e-3)
        assert torch.equal(cached(encoder)[1], pooled)
        assert not any(values.requires_grad for values in encoder.tower.parameters())

    def test_draws_nothing_and_takes_one_row_in_training(self, encoder):
        pixels, pooled = cached(encoder)
        tower = TunedTower(encoder, "pixels").train()
        before = torch.random.get_rng_state()
        torch.testing.assert_close(tower.see({"pixels": pixels[:1]}), pooled[:1], atol=ROUNDING, rtol=ROUNDING)
        assert torch.equal(torch.random.get_rng_state(), before)

    def test_holds_every_value_once(self, encoder):
        state = TunedTower(encoder, "pixels").state_dict()
        assert len({values.data_ptr() for values in state.values()}) == len(state)


def test_a_tail_holds_the_last_blocks_only():
    whole, tail = (set(TunedTower(tiny_encoder(), output).state_dict()) for output in ("pixels", "block-1"))
    assert any("resblocks.1." in name for name in whole)
    assert not any("conv1" in name or "resblocks.1." in name for name in tail)


def test_pixels_of_another_side_are_resized():
    """Every value of a plain image survives a resize, so its feature is that of the same image at the right side."""
    encoder = tiny_encoder()
    small, right = (np.full((1, side, side, 3), (40, 200, 90), np.uint8) for side in (20, 32))
    tower = TunedTower(encoder, "pixels")
    expected = torch.from_numpy(encoder.encode_images(right)["pooled"])
    torch.testing.assert_close(tower.see({"pixels": torch.from_numpy(small)}), expected, atol=1e-4, rtol=1e-4)
    images = to_images(torch.from_numpy(small))
    torch.testing.assert_close(tower.see({"images": images}), expected, atol=1e-4, rtol=1e-4)
    assert tower.see({"pixels": torch.from_numpy(noise(2, 48))}).shape == (2, 32)


def test_a_block_that_the_encoder_does_not_have_is_refused():
    with pytest.raises(EncoderError, match=r"gives no block-7\. It gives pooled, tokens, block-K with K from 0 to 1"):
        TunedTower(tiny_encoder(), "block-7")


def spec(output="pixels", shape=(32, 32, 3)):
    encoder = {"encoder": tiny_encoder().identity}
    return HeadSpec("fine-tune", CLASSES, {output: shape}, encoder, "faces")


def fine_tune_head(**changes):
    head = FineTuneHead(spec(**changes), tiny_encoder())
    head.reset(torch.Generator().manual_seed(0))
    return head


@pytest.mark.parametrize(("output", "shape"), [("pixels", (32, 32, 3)), ("block-1", (5, 32))])
def test_a_head_travels_without_its_encoder_and_comes_back_on_it(output, shape):
    head = fine_tune_head(output=output, shape=shape)
    for values in head.parameters():
        torch.nn.init.normal_(values, std=0.1, generator=torch.Generator().manual_seed(1))
    rows = {output: noise(4, 32)} if output == "pixels" else {output: cached(tiny_encoder(), 4, output)[1].numpy()}
    again = unpack(*pack(head), tiny_encoder())
    np.testing.assert_array_equal(again.predict(rows), head.predict(rows))


def test_a_head_refuses_another_encoder():
    other = of_timm("test_resnet", 32)
    with pytest.raises(MismatchError, match="is a part of the encoder"):
        unpack(*pack(fine_tune_head()), other)


def test_building_a_head_draws_no_random_number():
    before = torch.random.get_rng_state()
    FineTuneHead(spec(), tiny_encoder())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_logits_are_those_of_the_feature():
    head = fine_tune_head()
    pixels, pooled = cached(tiny_encoder())
    expected = pooled @ head.classifier.weight.T + head.classifier.bias
    torch.testing.assert_close(head({"pixels": pixels}), expected, atol=ROUNDING, rtol=ROUNDING)
