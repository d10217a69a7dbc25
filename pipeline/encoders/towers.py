"""Image towers of which more can be had than the pooled feature."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from pipeline.images.preprocess import Preprocess

__all__ = ["ImageTower", "PixelTower", "as_sequence", "captured_inputs", "captured_outputs", "shallow_copy"]

_BLOCK = "block-"


class ImageTower(nn.Module):
    """A frozen image model. This base class takes any, and gives its pooled feature only.

    Parameters
    ----------
    model : float32 (B, 3, S, S), normalised -> (B, D)
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The blocks at which a tail can begin."""
        return ()

    def is_reentrant(self, outputs: Sequence[str]) -> bool:
        """Whether several threads may run it at once: nothing is captured by hooks, and no code is a user's."""
        return False

    def tail(self, block: int) -> nn.Module:
        """(B, T, W), what enters block `block` -> (B, D), pooled. Its weights are those of this model, not copies."""
        raise NotImplementedError

    def forward(self, images: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """(B, 3, S, S), normalised -> output: (B, *row_shape), all of them in one pass through the whole model.

        The model runs as it is; activations are captured by hooks on the way, so that `pooled` is the same value
        whatever else is requested.
        """
        numbers = {name: int(name.removeprefix(_BLOCK)) for name in outputs if name.startswith(_BLOCK)}
        with ExitStack() as stack:
            captured = {name: stack.enter_context(captured_inputs(self.blocks[k])) for name, k in numbers.items()}
            pooled, tokens = self._run(images, "tokens" in outputs)
        features = {"pooled": pooled} | {name: self._batch_first(values[0]) for name, values in captured.items()}
        return features if tokens is None else features | {"tokens": tokens}

    def row_shapes(self, image: Tensor) -> dict[str, tuple[int, ...]]:
        """What one image (1, 3, S, S) gives, in canonical order."""
        names = ("pooled", "tokens", *(f"{_BLOCK}{k}" for k in range(len(self.blocks))))
        with torch.inference_mode():
            features = self(image, names)
        return {name: tuple(features[name].shape[1:]) for name in names if name in features}

    def _run(self, images: Tensor, with_tokens: bool) -> tuple[Tensor, Tensor | None]:
        """Pooled (B, D); and the tokens (B, T, W), if they are requested and there are any."""
        return self.model(images), None

    def _batch_first(self, activations: Tensor) -> Tensor:
        """What enters a block -> (B, T, W)."""
        return activations


class PixelTower(nn.Module):
    """From prepared pixels to outputs: normalisation, then the tower.

    Parameters
    ----------
    preprocess : size of the square, mean and std
    """

    def __init__(self, tower: ImageTower, preprocess: Preprocess, device: torch.device) -> None:
        super().__init__()
        self.tower = tower
        self.size = preprocess.size
        self.mean, self.std = (
            nn.Buffer(torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1))
            for values in (preprocess.mean, preprocess.std)
        )

    def forward(self, pixels: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """uint8 (B, S, S, 3) -> output: (B, *row_shape). The operations and their order are open_clip's own.

        The images keep the pixels' memory order (channels last), in which convolutions are fastest.
        """
        images = pixels.permute(0, 3, 1, 2).to(torch.float32).div(255)
        return cast("dict[str, Tensor]", self.tower(images.sub_(self.mean).div_(self.std), outputs))


def as_sequence(features: Tensor, channels_last: bool = False) -> Tensor:
    """A feature map (B, C, H, W), or (B, H, W, C), -> (B, H * W, C); a sequence (B, T, W) stays as it is."""
    if features.ndim == 4:
        return features.flatten(1, 2) if channels_last else features.flatten(2).transpose(1, 2)
    return features


@contextmanager
def captured_inputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collects the first argument of every call of `module`."""
    captured: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _module, args: captured.append(args[0]))
    try:
        yield captured
    finally:
        handle.remove()


@contextmanager
def captured_outputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collects what every call of `module` returns."""
    captured: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _args, result: captured.append(result))
    try:
        yield captured
    finally:
        handle.remove()


def shallow_copy(module: nn.Module, without: Sequence[str] = (), **replaced: Any) -> Any:
    """A module of the same class with the same parameters and children, but for those left out or replaced."""
    duplicate = copy.copy(module)
    for kind in ("_parameters", "_buffers", "_modules"):
        held: Mapping[str, Any] = getattr(module, kind)
        setattr(duplicate, kind, {name: value for name, value in held.items() if name not in without})
    for name, value in replaced.items():
        setattr(duplicate, name, value)
    return duplicate
