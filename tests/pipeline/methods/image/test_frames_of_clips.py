"""Image networks on clips: means by hand, exact gradients of parts, batch norms, one augmentation for all frames."""

from __future__ import annotations

import pytest
import torch
from image_batches import image_head
from torch import Tensor, nn

from pipeline.images.augment import Augment, of_rows
from pipeline.images.distort import Distort, DistortAndAugment
from pipeline.learning.learner import Batch
from pipeline.methods.image import frames
from pipeline.methods.image.frames import frame_means, means_of_input
from pipeline.methods.image.heads import ImageHead
from pipeline.methods.image.options import BaselineConfig
from pipeline.methods.image.train import BaselineLearner
from pipeline.methods.noisy.heads import EmbeddingHead
from pipeline.methods.noisy.options import EacConfig, RulConfig
from pipeline.methods.noisy.train import EacLearner, RulLearner


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(n: int = 3, n_frames: int = 4, side: int = 16) -> Tensor:
    return torch.randint(0, 256, (n, n_frames, side, side, 3), generator=rng(3), dtype=torch.uint8)


def batch_of(learner: nn.Module, pixels: Tensor) -> Batch:
    noise = learner.draw(len(pixels), rng(1))  # type: ignore[operator]
    return Batch({"pixels": pixels}, torch.arange(len(pixels)) % 3, torch.arange(len(pixels)), noise=noise)


def test_means_of_frames_by_hand() -> None:
    """Clips (1, 3) and (5, 9): means 2 and 7; of the squares (1 + 9) / 2 = 5 and (25 + 81) / 2 = 53."""
    values = torch.tensor([1.0, 3.0, 5.0, 9.0])[:, None]
    first, second = frame_means(nn.Linear(1, 1), lambda p: (values[p], values[p] ** 2), (2, 2))
    assert (first.flatten().tolist(), second.flatten().tolist()) == ([2, 7], [5, 53])


def test_a_head_reads_the_mean_of_the_frames_embeddings() -> None:
    head, pixels = image_head(ImageHead).eval(), clips(2, 3)
    embedded = torch.stack(
        [means_of_input(head, {"pixels": frame}, "pixels", lambda v: v.float().mean((1, 2))) for frame in pixels]
    )
    torch.testing.assert_close(
        means_of_input(head, {"pixels": pixels}, "pixels", lambda v: v.float().mean((1, 2))), embedded.mean(1)
    )
    single = head({"pixels": pixels[:, :1]})
    torch.testing.assert_close(single, head({"pixels": pixels[:, 0]}))  # an image is a clip of one frame


def test_gradients_of_parts_are_those_of_all_frames_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    values = torch.randn(6 * 5, 4, generator=rng(), dtype=torch.float64)
    gradients = []
    for at_once in (1000, 7, 1):
        monkeypatch.setattr(frames, "FRAMES_AT_ONCE", at_once)
        (means,) = frame_means(network, lambda p: (network(values[p]),), (6, 5))
        gradients.append(torch.autograd.grad(means.square().sum(), list(network.parameters())))
    for parts in gradients[1:]:
        for one, other in zip(gradients[0], parts, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_no_more_frames_than_that_go_through_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def embed(positions: Tensor) -> tuple[Tensor]:
        sizes.append(len(positions))
        return (positions[:, None].float(),)

    monkeypatch.setattr(frames, "FRAMES_AT_ONCE", 8)
    with torch.no_grad():
        frame_means(nn.Linear(1, 1), embed, (5, 5))
    assert sizes == [7, 6, 6, 6]  # 25 in four parts: none of a single frame, which has no statistics


def test_batch_norms_see_each_part_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Momentum 1: the running mean is that of the last part; two parts are counted, though both went through twice."""
    network = nn.Sequential(nn.BatchNorm1d(1, momentum=1.0), nn.Linear(1, 1))
    monkeypatch.setattr(frames, "FRAMES_AT_ONCE", 4)
    values = torch.tensor([0.0, 0, 0, 4, 8, 8, 8, 16])[:, None]
    (means,) = frame_means(network, lambda p: (network(values[p]),), (2, 4))
    means.sum().backward()
    norm = network[0]
    assert isinstance(norm, nn.BatchNorm1d)
    assert (norm.running_mean.tolist(), int(norm.num_batches_tracked)) == ([10], 2)  # type: ignore[union-attr,arg-type]
    assert norm.momentum == 1.0


def test_one_draw_is_applied_to_all_frames_of_a_clip() -> None:
    augment = DistortAndAugment(
        Distort(crop_area=(0.3, 0.8), angle=20.0, brightness=0.3, hue=0.1), Augment(flip=0.5, noise=0.5, erase=0.5)
    )
    pixels = clips(6, 1)[:, 0]
    drawn = augment.draw(6, 16, rng())
    rows = torch.tensor([4, 4, 0, 2, 5, 5])
    torch.testing.assert_close(augment(pixels[rows], of_rows(drawn, rows)), augment(pixels, drawn)[rows])


def test_what_a_learner_makes_of_a_clip_of_equal_frames_is_what_it_makes_of_the_image() -> None:
    """Augmentations are drawn for a clip: its equal frames stay equal. Without batch statistics both losses are one."""
    for learner in (
        BaselineLearner(image_head(ImageHead), BaselineConfig()),
        EacLearner(image_head(ImageHead), EacConfig()),
        EacLearner(image_head(ImageHead), EacConfig(mirrored="plain")),
        RulLearner(image_head(EmbeddingHead, dimensions=8), RulConfig(), rng(2)),
    ):
        learner.eval()
        of_images = batch_of(learner, clips(5, 1)[:, 0])
        repeated = of_images.inputs["pixels"][:, None].repeat(1, 3, 1, 1, 1)
        of_clips = Batch({"pixels": repeated}, of_images.labels, of_images.rows, noise=of_images.noise)
        expected, found = (learner.loss_terms(each) for each in (of_images, of_clips))
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


def test_parts_change_no_loss_and_no_gradient_of_a_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = EacLearner(image_head(ImageHead), EacConfig()).eval()  # in training, batch norms depend on the parts
    batch = batch_of(learner, clips(4, 4))
    results = []
    for at_once in (1000, 5):
        monkeypatch.setattr(frames, "FRAMES_AT_ONCE", at_once)
        terms = learner.loss_terms(batch)
        weight = learner.head.backbone.net[0][0].weight  # type: ignore[index]
        results.append((terms, torch.autograd.grad(sum(terms.values()), weight)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)
