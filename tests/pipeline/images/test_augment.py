import pytest
import torch

from pipeline.images.augment import Augment, to_images
from pipeline.images.views import ViewRecipe

NOTHING = {"flip": 0.0, "noise": 0.0, "erase": 0.0}
GREY = 128


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def grey(n=1, size=64):
    return torch.full((n, size, size, 3), GREY, dtype=torch.uint8)


def random_pixels(n=3, size=8):
    return torch.randint(256, (n, size, size, 3), generator=generator(), dtype=torch.uint8)


def augmented(augment, pixels, seed=0):
    return augment(pixels, augment.draw(len(pixels), pixels.shape[1], generator(seed)))


def as_values(images):
    """Back on the 0..255 scale, (B, S, S, 3)."""
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    return (images.permute(0, 2, 3, 1) * std + mean) * 255


def test_to_images_normalises_each_channel_as_imagenet_does():
    """(255, 0, 51): (1 - .485) / .229 = 2.248908, (0 - .456) / .224 = -2.035714, (.2 - .406) / .225 = -.915556."""
    found = to_images(torch.tensor([[[[255, 0, 51]]]], dtype=torch.uint8))
    assert found.shape == (1, 3, 1, 1)
    assert found.flatten().tolist() == pytest.approx([2.248908, -2.035714, -0.915556], abs=1e-5)


def test_to_images_moves_the_channels_and_keeps_rows_and_columns():
    pixels = random_pixels(2, 5)
    torch.testing.assert_close(as_values(to_images(pixels)), pixels.float(), atol=1e-3, rtol=0)


def test_without_chances_an_image_stays_as_it_is():
    pixels = random_pixels()
    torch.testing.assert_close(augmented(Augment(**NOTHING), pixels), to_images(pixels))


def test_words_and_strengths_are_those_of_the_cached_views():
    ours, cached = Augment(), ViewRecipe()
    for name in ("flip", "noise", "noise_variance", "erase", "erase_area", "erase_aspect"):
        assert getattr(ours, name) == getattr(cached, name)


def test_flip_mirrors_left_and_right():
    pixels = random_pixels()
    found = augmented(Augment(**NOTHING | {"flip": 1.0}), pixels)
    torch.testing.assert_close(found, to_images(pixels.flip(2)))


def test_noise_has_the_variance_and_whole_values():
    found = as_values(augmented(Augment(**NOTHING | {"noise": 1.0}), grey(4)))
    assert found.var().item() == pytest.approx(30, rel=0.03)
    assert found.mean().item() == pytest.approx(GREY, abs=0.1)
    torch.testing.assert_close(found, found.round(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("value", [0, 255])
def test_noise_stays_between_black_and_white(value):
    pixels = torch.full((1, 16, 16, 3), value, dtype=torch.uint8)
    found = as_values(augmented(Augment(**NOTHING | {"noise": 1.0}), pixels))
    assert found.min() >= -1e-3
    assert found.max() <= 255 + 1e-3


def test_erasing_leaves_one_rectangle_of_the_mean_colour():
    found = augmented(Augment(**NOTHING | {"erase": 1.0}), grey(200))
    plain = to_images(grey())
    for image in found:
        erased = (image == 0).all(dim=0)
        rows, columns = (erased.any(dim=side).nonzero()[:, 0] for side in (1, 0))
        height, width = (int(steps[-1] - steps[0] + 1) for steps in (rows, columns))
        assert erased.sum() == height * width
        rounding = 0.02
        assert 0.02 - rounding <= height * width / 64**2 <= 0.25 + rounding
        assert torch.equal(image[:, ~erased], plain[0][:, ~erased])


def test_tall_and_broad_rectangles_are_equally_frequent():
    """Height / width from 0.3 to 3.3, log-uniform: the middle is sqrt(0.3 * 3.3) = 0.995; of a plain draw, 1.8."""
    height, width = Augment(noise=0.0, erase=1.0).draw(4000, 2000, generator())["erased"][:, 2:].double().T
    assert (height / width).median().item() == pytest.approx(0.995, rel=0.08)
    assert 0.29 < (height / width).min() < (height / width).max() < 3.4


def test_rectangles_reach_every_edge_and_never_leave_the_image():
    top, left, height, width = Augment(erase=1.0).draw(2000, 8, generator())["erased"].T
    assert (top.min(), left.min()) == (0, 0)
    assert ((top + height).max(), (left + width).max()) == (8, 8)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_smallest_images_can_be_augmented(size):
    assert augmented(Augment(erase=1.0), random_pixels(50, size)).isfinite().all()


def test_chances_are_kept():
    drawn = Augment(flip=0.25, noise=0.5, erase=0.125).draw(4000, 1, generator())
    assert drawn["flipped"].float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert len(drawn["noisy"]) / 4000 == pytest.approx(0.5, abs=0.03)
    assert (drawn["erased"][:, 2] > 0).float().mean().item() <= 0.125 + 0.03


def test_flip_and_noise_meet_unless_they_exclude_each_other():
    """Chances of a quarter each: both in 1 of 16 images, or in none."""
    for exclusive, expected in ((False, 1 / 16), (True, 0.0)):
        drawn = Augment(flip=0.25, noise=0.25, exclusive=exclusive).draw(4000, 1, generator())
        noisy = torch.zeros(4000, dtype=torch.bool)
        noisy[drawn["noisy"]] = True
        assert noisy.float().mean().item() == pytest.approx(0.25, abs=0.03)
        assert (noisy & drawn["flipped"]).float().mean().item() == pytest.approx(expected, abs=0.02)


def test_what_was_drawn_is_applied_alike_each_time_and_leaves_the_pixels_alone():
    pixels, augment = random_pixels(), Augment()
    before = pixels.clone()
    drawn = augment.draw(3, 8, generator())
    assert torch.equal(augment(pixels, drawn), augment(pixels, drawn))
    assert torch.equal(pixels, before)


def test_all_randomness_is_the_generators():
    before = torch.random.get_rng_state()
    draws = [Augment().draw(8, 4, generator(seed)) for seed in (1, 1, 2)]
    assert all(torch.equal(draws[0][name], draws[1][name]) for name in draws[0])
    assert not torch.equal(draws[0]["erased"], draws[2]["erased"])
    assert torch.equal(torch.random.get_rng_state(), before)


def one_by_one(augment, pixels, drawn):
    """The definition, image by image: noise, rounding, mirror, normalisation, a rectangle of zeros."""
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    noise = dict(zip(drawn["noisy"].tolist(), drawn["noise"], strict=True))
    images = []
    for i, image in enumerate(pixels):
        values = (image.float() + noise.get(i, 0.0)).round().clamp(0, 255)
        values = values.flip(1) if drawn["flipped"][i] else values
        normalised = (values / 255 - mean) / std
        top, left, height, width = drawn["erased"][i].tolist()
        normalised[top : top + height, left : left + width] = 0.0
        images.append(normalised.permute(2, 0, 1))
    return torch.stack(images)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("augment", [Augment(), Augment(exclusive=True), Augment(1.0, 0.0, erase=1.0)])
def test_a_batch_is_augmented_as_its_images_one_by_one(augment, whole):
    pixels = random_pixels(40, 16) if whole else random_pixels(40, 16) * 0.37 + 3.3
    drawn = augment.draw(40, 16, generator())
    batch, expected = augment(pixels, drawn), one_by_one(augment, pixels, drawn)
    torch.testing.assert_close(batch, expected, rtol=0, atol=1e-6)
    assert torch.equal(batch == 0, expected == 0)


def test_images_lie_in_memory_as_pixels_do():
    pixels = random_pixels()
    for images in (to_images(pixels), augmented(Augment(), pixels)):
        assert images.is_contiguous(memory_format=torch.channels_last)
