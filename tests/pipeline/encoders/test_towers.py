"""The outputs of an image tower besides its pooled feature, and that a tail computes the same feature from them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from encoder_models import MODEL, faces, load, seeded_clip, write_clip_folder
from open_clip.transformer import Transformer
from safetensors.torch import save_file

from pipeline.encoders.families.open_clip_tower import open_clip_tower
from pipeline.encoders.families.timm_tower import TimmTower
from pipeline.encoders.towers import ImageTower
from pipeline.errors import EncoderError

TAIL_TOLERANCE = 1e-5
VISION = MODEL["vision_cfg"]


def seeded(make: Callable[[], Any]) -> Any:
    """A model with random weights, in which every block matters: layer scales begin at 1e-5."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make()
    for name, values in model.named_parameters():
        if name.endswith("gamma"):
            torch.nn.init.constant_(values, 0.5)
    return model.eval().requires_grad_(False)


def clip(**vision: Any) -> ImageTower:
    quick_gelu = vision.pop("quick_gelu", False)
    model = MODEL | {"vision_cfg": VISION | {"layers": 3} | vision, "quick_gelu": quick_gelu}
    return open_clip_tower(seeded(lambda: open_clip.CLIP(**model)).visual)


def clip_of_timm(name: str, **vision: Any) -> ImageTower:
    """As SigLIP (map, none) and other towers come to open_clip."""
    config = {"timm_model_name": name, "timm_model_pretrained": False, "image_size": 160} | vision
    return open_clip_tower(seeded(lambda: open_clip.CLIP(**(MODEL | {"vision_cfg": config}))).visual)


def sequence_first() -> ImageTower:
    """A transformer that wants (T, B, W) inside, as older open_clip models do."""
    visual = seeded_clip(MODEL).visual
    own = visual.transformer.state_dict()
    visual.transformer = Transformer(width=64, layers=2, heads=1, batch_first=False).eval()
    visual.transformer.load_state_dict(own)
    return open_clip_tower(visual.requires_grad_(False))


def coca() -> ImageTower:
    config = VISION | {
        "attentional_pool": True,
        "attn_pooler_queries": 5,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    }
    return open_clip_tower(seeded(lambda: open_clip.CLIP(**(MODEL | {"vision_cfg": config}))).visual)


def of_timm(name: str, **options: Any) -> ImageTower:
    return TimmTower(seeded(lambda: timm.create_model(name, num_classes=0, **options)))


TRANSFORMERS: dict[str, tuple[Callable[[], ImageTower], int, tuple[int, int], int]] = {
    # tower, size of its images, (T, W) of its tokens, blocks
    "CLIP": (clip, 32, (17, 64), 3),
    "CLIP, QuickGELU": (lambda: clip(quick_gelu=True), 32, (17, 64), 3),
    "CLIP, no norm before the blocks": (lambda: clip(no_ln_pre=True), 32, (17, 64), 3),
    "CLIP, mean of the tokens": (lambda: clip(pool_type="avg"), 32, (17, 64), 3),
    "CLIPA": (lambda: clip(no_ln_pre=True, pool_type="avg", final_ln_after_pool=True), 32, (17, 64), 3),
    "CLIP, layer scale": (lambda: clip(ls_init_value=0.1), 32, (17, 64), 3),
    "CLIP, other attention": (lambda: clip(qk_norm=True, scale_heads=True), 32, (17, 64), 3),
    "CLIP, sequence first": (sequence_first, 32, (17, 64), 2),
    "CoCa": (coca, 32, (17, 64), 2),
    "SigLIP": (lambda: clip_of_timm("test_vit3", timm_pool="map", timm_proj="none"), 160, (101, 96), 9),
    "CLIP of timm, projected": (
        lambda: clip_of_timm("test_vit", timm_pool="token", timm_proj="linear"),
        160,
        (101, 64),
        6,
    ),
    "ViT": (lambda: of_timm("vit_tiny_patch16_224", img_size=64), 64, (17, 192), 12),
    "ViT, mean of the tokens": (lambda: of_timm("test_vit2"), 160, (101, 64), 8),
    "ViT, attention pool": (lambda: of_timm("test_vit3"), 160, (101, 96), 9),
    "ViT, distilled": (lambda: of_timm("deit_tiny_distilled_patch16_224", img_size=32), 32, (6, 192), 12),
}
MAPS: dict[str, tuple[Callable[[], ImageTower], int, tuple[int, int]]] = {
    # tower, size of its images, (H * W, C) of its last feature map
    "CLIP's ResNet": (lambda: clip(layers=[1, 1, 1, 1], width=8, image_size=64), 64, (4, 256)),
    "EfficientNet": (lambda: of_timm("test_efficientnet"), 160, (25, 256)),
    "ResNet": (lambda: of_timm("test_resnet"), 160, (25, 96)),
    "Swin, channels last": (
        lambda: of_timm("swin_tiny_patch4_window7_224", img_size=64, window_size=4, depths=(1, 1), num_heads=(2, 2)),
        64,
        (64, 192),
    ),
    "CLIP of timm's network": (
        lambda: clip_of_timm("test_efficientnet", timm_pool="avg", timm_proj="linear"),
        160,
        (25, 256),
    ),
}


@cache
def made(name: str) -> ImageTower:
    """Frozen, and so fit to be shared by the tests."""
    return (TRANSFORMERS | MAPS)[name][0]()  # type: ignore[operator]


def images(size: int, n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", TRANSFORMERS)
class TestTransformers:
    def test_offer_their_tokens_and_what_enters_each_block(self, name: str) -> None:
        _, size, sequence, n_blocks = TRANSFORMERS[name]
        tower = made(name)
        shapes = tower.row_shapes(images(size, 1))
        assert list(shapes) == ["pooled", "tokens", *(f"block-{k}" for k in range(n_blocks))]
        assert {shape for output, shape in shapes.items() if output != "pooled"} == {sequence}
        found = tower(images(size), tuple(shapes))
        assert {output: tuple(values.shape[1:]) for output, values in found.items()} == shapes

    def test_pooled_is_the_models_own_whatever_else_is_asked_for(self, name: str) -> None:
        _, size, *_ = TRANSFORMERS[name]
        tower = made(name)
        own = tower.model(images(size))
        expected = own[0] if isinstance(own, tuple) else own
        for outputs in (("pooled",), ("tokens", "pooled", "block-1")):
            assert torch.equal(tower(images(size), outputs)["pooled"], expected)

    def test_a_tail_goes_on_from_every_block_to_the_pooled_feature(self, name: str) -> None:
        _, size, _, n_blocks = TRANSFORMERS[name]
        tower = made(name)
        found = tower(images(size), ["pooled", *(f"block-{k}" for k in range(n_blocks))])
        for k in range(n_blocks):
            np.testing.assert_allclose(tower.tail(k)(found[f"block-{k}"]), found["pooled"], atol=TAIL_TOLERANCE)
        another = tower.tail(n_blocks - 1)(found["block-0"])
        assert (another - found["pooled"]).abs().max() > 100 * TAIL_TOLERANCE, "the blocks of this model do nothing"

    def test_a_tail_holds_the_encoders_own_weights_and_no_others(self, name: str) -> None:
        _, size, _, n_blocks = TRANSFORMERS[name]
        tower = made(name)
        own = {id(values) for values in tower.parameters()}
        last, whole = ({id(values) for values in tower.tail(k).parameters()} for k in (n_blocks - 1, 0))
        assert last < whole < own
        copied = copy.deepcopy(tower.tail(n_blocks - 1))
        for values in copied.parameters():
            torch.nn.init.zeros_(values.requires_grad_())
        activations = tower(images(size), ["block-0", "pooled"])
        assert torch.equal(tower.tail(0)(activations["block-0"]), activations["pooled"])
        copied(activations["block-0"]).sum().backward()
        assert any(values.grad is not None for values in copied.parameters())


@pytest.mark.parametrize("name", MAPS)
class TestConvolutionalNetworks:
    def test_offer_their_last_map_and_no_blocks(self, name: str) -> None:
        _, size, sequence = MAPS[name]
        shapes = made(name).row_shapes(images(size, 1))
        assert list(shapes) == ["pooled", "tokens"]
        assert shapes["tokens"] == sequence

    def test_pooled_is_the_models_own_whatever_else_is_asked_for(self, name: str) -> None:
        _, size, _ = MAPS[name]
        tower = made(name)
        for outputs in (("pooled",), ("tokens", "pooled")):
            assert torch.equal(tower(images(size), outputs)["pooled"], tower.model(images(size)))


class TestTokens:
    @pytest.mark.parametrize("pool", [{}, {"pool_type": "avg"}])
    def test_of_clip_are_normalised_and_lead_to_its_pooled_feature(self, pool: dict[str, str]) -> None:
        tower = clip(**pool)
        found = tower(images(32), ["pooled", "tokens"])
        tokens = found["tokens"]
        chosen = tokens[:, 1:].mean(dim=1) if pool else tokens[:, 0]
        np.testing.assert_allclose(chosen @ tower.model.proj, found["pooled"], atol=TAIL_TOLERANCE)  # type: ignore[operator]

    def test_of_clip_are_open_clips_own_behind_the_class_token(self) -> None:
        tower = clip()
        tower.model.output_tokens = True  # type: ignore[assignment]  # a flag of open_clip's
        _, own = tower.model(images(32))
        assert torch.equal(tower(images(32), ["tokens"])["tokens"][:, 1:], own)

    def test_of_a_network_are_its_map_row_by_row(self) -> None:
        tower = of_timm("test_efficientnet")
        own = tower.model.forward_features(images(160))  # type: ignore[operator]
        tokens = tower(images(160), ["tokens"])["tokens"]
        assert torch.equal(tokens[:, 5 * 1 + 3], own[:, :, 1, 3])

    def test_of_swin_are_its_map_row_by_row(self) -> None:
        tower = made("Swin, channels last")
        own = tower.model.forward_features(images(64))  # type: ignore[operator]
        assert torch.equal(tower(images(64), ["tokens"])["tokens"][:, 8 * 1 + 3], own[:, 1, 3])


def test_block_0_is_the_embedded_patches() -> None:
    tower = clip()
    assert torch.equal(tower(images(32), ["block-0"])["block-0"], tower.model._embeds(images(32)))  # type: ignore[operator]


def test_no_hook_stays_behind() -> None:
    tower = clip()
    tower(images(32), ["pooled", "tokens", "block-0"])
    with pytest.raises(IndexError):
        tower(images(32), ["tokens", "block-9"])
    hooks = [hook for module in tower.modules() for hook in (*module._forward_hooks, *module._forward_pre_hooks)]
    assert hooks == []


class TestThroughTheEncoder:
    def test_every_output_comes_in_its_shape_as_float32(self, tmp_path: Path) -> None:
        encoder = load(f"open_clip:small@{write_clip_folder(tmp_path / 'clip')[0]}")
        assert encoder.row_shapes == {"pooled": (24,), "tokens": (17, 64), "block-0": (17, 64), "block-1": (17, 64)}
        found = encoder.encode_images(faces(3, 32), tuple(encoder.row_shapes))
        assert {name: values.shape[1:] for name, values in found.items()} == encoder.row_shapes
        assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
        assert encoder.width == 24

    def test_only_what_was_asked_for_comes_in_that_order(self) -> None:
        found = load("untrained").encode_images(faces(1, 64), ("block-1", "pooled"))
        assert list(found) == ["block-1", "pooled"]

    def test_a_tail_goes_on_from_what_was_encoded(self, tmp_path: Path) -> None:
        save_file(seeded(lambda: timm.create_model("test_vit")).state_dict(), tmp_path / "w.safetensors")
        encoder: Any = load(f"timm:test_vit@{tmp_path / 'w.safetensors'}")
        found = encoder.encode_images(faces(2, 160), ("pooled", "block-3"))
        with torch.inference_mode():
            pooled = encoder.tail(3)(torch.from_numpy(found["block-3"])).numpy()
        np.testing.assert_allclose(pooled, found["pooled"], atol=TAIL_TOLERANCE)

    @pytest.mark.parametrize("output", ["block-4", "block-", "block--1", "block-x", "patches", ""])
    def test_an_unknown_output_is_answered_with_those_there_are(self, output: str) -> None:
        message = rf"open_clip:untrained gives no {output}\. It gives pooled, tokens, block-K with K from 0 to 3$"
        with pytest.raises(EncoderError, match=message):
            load("untrained").encode_images(faces(1, 64), ("pooled", output))

    def test_a_tail_from_no_block_is_answered_with_those_there_are(self, tmp_path: Path) -> None:
        save_file(seeded(lambda: timm.create_model("test_resnet")).state_dict(), tmp_path / "w.safetensors")
        encoder: Any = load(f"timm:test_resnet@{tmp_path / 'w.safetensors'}")
        with pytest.raises(EncoderError, match=r"timm:test_resnet gives no block-0\. It gives pooled, tokens$"):
            encoder.tail(0)


def test_features_of_coca_are_raw() -> None:
    """open_clip's own `encode_image` of a CoCa normalises by default."""
    lengths = coca()(images(32), ["pooled"])["pooled"].norm(dim=1)
    assert (lengths - 1).abs().min() > 0.01
