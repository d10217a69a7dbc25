"""What methods share that train an image network: initial weights, augmentations, the encoder's own network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipeline.images.augment import Augment, of_rows
from pipeline.images.distort import Distort, DistortAndAugment
from pipeline.learning.clips import MEANS
from pipeline.learning.eager import eager_optimizer
from pipeline.learning.head import Inputs
from pipeline.learning.learner import Batch, Learner, TrainingSettings
from pipeline.learning.optimizers import cosine_restarts, warmup_cosine
from pipeline.learning.task import TrainingTask
from pipeline.methods.image.frames import Tensors, clip_shape, frame_means
from pipeline.methods.image.heads import ImageHead
from pipeline.methods.image.options import AugmentationConfig, ImageConfig, TunedConfig
from pipeline.methods.image.pretrained import start_from_file

__all__ = ["AugmentedLearner", "FrameLearner", "ImageLearner", "initialized_image_head", "tuned_settings"]


H = TypeVar("H", bound=ImageHead)


def initialized_image_head(
    head_class: type[H], task: TrainingTask, config: ImageConfig, options: Mapping[str, Any] | None = None
) -> tuple[H, dict[str, Any]]:
    """A head with its initial weights: drawn, or those of the file `config.pretrained`; and the report on that file."""
    options = {"backbone": config.backbone} | dict(options or {})
    head = head_class(task.spec(head_class, options=options, reads=config.reads))
    task.initialize(head)
    return head, start_from_file(head.backbone, config.pretrained)


class FrameLearner(Learner):
    """A learner whose network takes the frames of clips one by one."""

    def frame_means(self, batch: Batch, embed: Callable[[Batch], Tensors]) -> Tensors:
        """What `embed` makes of a batch of images, or the means over the frames of clips: see `frames.frame_means`.

        Parameters
        ----------
        embed : a batch of images, or of frames as if they were images, to tensors of shape (F, ...). One draw of
            augmentations is applied to all frames of a clip
        """
        name = next(name for name in self.head.spec.inputs if name not in MEANS)
        if (shape := clip_shape(self.head, batch.inputs, name)) is None:
            return embed(batch)
        frames = batch.inputs[name].flatten(0, 1)

        def of_positions(positions: Tensor) -> Tensors:
            clips = positions // shape[1]
            return embed(
                Batch(
                    {name: frames[positions]},
                    batch.labels[clips],
                    batch.rows[clips],
                    batch.epoch,
                    self.noise_of_frames(batch.noise, clips),
                )
            )

        return frame_means(self, of_positions, shape)

    def noise_of_frames(self, noise: Mapping[str, Tensor], clips: Tensor) -> dict[str, Tensor]:
        """What was drawn for clips, as it is for some of their frames: `clips`, int64 (F,), has the clip of each."""
        return of_rows(noise, clips)


class ImageLearner(FrameLearner):
    """A head that reads pixels, with new augmentations in every step.

    Parameters
    ----------
    head : ImageHead
    augment : Augment
    diagnostics : what is known before training, plain JSON data
    """

    def __init__(self, head: ImageHead, augment: Augment, diagnostics: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.head: ImageHead = head
        self.augment = augment
        self.initial_diagnostics = diagnostics or {}

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        return self.augment.draw(n, self.head.size, rng)

    def images(self, batch: Batch) -> Tensor:
        """The batch's pixels, augmented as drawn and normalised: float32 (B, 3, S, S)."""
        return self.augment(batch.inputs["pixels"], batch.noise)

    def embedded(self, batch: Batch) -> Tensor:
        """The batch's images, or clips, augmented and embedded: float32 (B, D)."""
        return self.frame_means(batch, lambda images: (self.head.embed(self.images(images)),))[0]


class AugmentedLearner(FrameLearner):
    """A learner whose head reads pixels with new augmentations in every step, or what the store has as it is.

    Parameters
    ----------
    config : its augmentations are drawn where pixels are learnt from
    """

    def __init__(self, config: AugmentationConfig) -> None:
        super().__init__()
        self.augmentation: DistortAndAugment | None = None
        if config.views == "plain":
            self.augmentation = DistortAndAugment(
                Distort(
                    crop_area=(config.crop, 1.0),
                    crop_aspect=(1 / config.crop_aspect, config.crop_aspect),
                    angle=config.rotate,
                    brightness=config.brightness,
                    hue=config.hue,
                ),
                Augment(flip=config.flip, noise=0.0, erase=config.erase),
            )

    def draw(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        if self.augmentation is None:
            return {}
        return self.augmentation.draw(n, self.head.spec.inputs["pixels"][0], rng)

    def augmented_inputs(self, batch: Batch) -> Inputs:
        """The batch's inputs, or its pixels as augmented `images`."""
        if self.augmentation is None:
            return batch.inputs
        return {"images": self.augmentation(batch.inputs["pixels"], batch.noise)}

    def features(self, batch: Batch, of_head: Callable[[Inputs], Tensor]) -> Tensor:
        """The features of the batch's images, or clips, float32 (B, D), as `of_head` makes them of a head's inputs."""
        if self.augmentation is None:
            return of_head(batch.inputs)
        return self.frame_means(batch, lambda images: (of_head(self.augmented_inputs(images)),))[0]


_RESTART_EPOCHS = 10


def tuned_settings(parts: Sequence[tuple[nn.Module, float]], config: TunedConfig) -> TrainingSettings:
    """AdamW over some modules, each with its learning rate of the first epoch."""
    groups = [{"params": list(part.parameters()), "lr": lr} for part, lr in parts]
    return TrainingSettings(
        eager_optimizer(torch.optim.AdamW)(groups, eps=config.eps, weight_decay=config.weight_decay, fused=True),
        warmup_cosine(config.epochs, warmup=0) if config.schedule == "cosine" else cosine_restarts(_RESTART_EPOCHS),
        config.epochs,
        config.batch_size,
        config.select_by,
        config.balanced,
    )
