"""What is behind a person, and what light, lens and sensor do to the picture.

Pictures here are float32, shape (H, W, 3), in [0, 1].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from pipeline.datasets.drawn.canvas import Pixels, channels, to_bytes

__all__ = ["clutter", "flat_print", "grain", "lens_blur", "modelling_light", "paper", "side_light", "studio"]

Size = tuple[int, int]


def paper(size: Size, rng: np.random.Generator) -> Pixels:
    """White, cream or grey paper; some sheets are ruled or hatched."""
    sheet = _plain(size, rng.choice([[0.98, 0.97, 0.94], [0.96, 0.93, 0.84], [0.9, 0.92, 0.94]]))
    kind = rng.integers(3)
    y, x = np.ogrid[: size[1], : size[0]]
    if kind == 1:
        sheet[(y[:, 0] + rng.integers(12)) % 12 == 0] *= np.float32(0.86)
    elif kind == 2:
        sheet[(x + y) % 7 == 0] *= np.float32(0.72)
    return sheet


def flat_print(size: Size, rng: np.random.Generator) -> Pixels:
    """One saturated colour with a disc, stripes or nothing."""
    ground, figure = _saturated(rng), _saturated(rng)
    image = Image.new("RGB", (2 * size[0], 2 * size[1]), ground)
    pen, kind = ImageDraw.Draw(image), rng.integers(3)
    if kind == 1:
        x, y, r = size[0] * rng.uniform(0.6, 1.4), size[1] * rng.uniform(0.6, 1.2), size[0] * rng.uniform(0.5, 0.95)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=figure)
    elif kind == 2:
        for left in range(-2 * size[1], 2 * size[0], 40):
            pen.polygon(
                [left, 0, left + 20, 0, left + 20 + size[1], 2 * size[1], left + size[1], 2 * size[1]], fill=figure
            )
    return channels(image.reduce(2))


def studio(size: Size, rng: np.random.Generator) -> Pixels:
    """A cool wall with a soft spot of light behind the head."""
    y, x = _grid(size)
    away = np.hypot(x / size[0] - rng.uniform(0.3, 0.7), y / size[1] - rng.uniform(0.2, 0.5))
    near = rng.uniform(0.55, 0.9, 3).astype(np.float32)
    far = (rng.uniform(0.08, 0.35, 3) + np.array([0.0, 0.02, 0.1])).astype(np.float32)
    spot = np.exp(-((away / 0.45) ** 2))
    planes: Pixels = far[:, None, None] + (near - far)[:, None, None] * spot
    return planes.transpose(1, 2, 0)


def clutter(size: Size, rng: np.random.Generator) -> Pixels:
    """An unsharp scene: walls, windows, leaves and other people, as boxes and discs of muted colour."""
    small = Image.new("RGB", (64, 64), _muted(rng))
    pen = ImageDraw.Draw(small)
    for _ in range(rng.integers(6, 16)):
        x, y = rng.uniform(-10, 64, 2)
        width, height = rng.uniform(6, 40, 2)
        shape = pen.rectangle if rng.random() < 0.6 else pen.ellipse
        shape((x, y, x + width, y + height), fill=_muted(rng))
    blurred = small.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 2.5))))
    return channels(blurred.resize(size, Image.Resampling.BICUBIC))


def modelling_light(picture: Pixels, centre: tuple[float, float], unit: float, rng: np.random.Generator) -> Pixels:
    """Shade the picture as if the head were a ball of satin clay: diffuse light, a highlight, a dark rim."""
    y, x = _grid((picture.shape[1], picture.shape[0]))
    nx, ny = (x - centre[0]) / (1.15 * unit), (y - centre[1]) / (1.5 * unit)
    nz = np.sqrt(np.maximum(0.0, 1 - nx**2 - ny**2))
    light = np.array([rng.choice((-1, 1)) * rng.uniform(0.3, 0.65), rng.uniform(-0.6, -0.25), 0.75])
    right, down, near = (light / np.linalg.norm(light)).tolist()
    facing = np.clip(nx * right + ny * down + nz * near, 0.0, 1.0)
    shine = 0.28 * np.clip((facing - 0.9) / 0.1, 0.0, 1.0) ** 2
    lit: Pixels = picture * (0.42 + 0.78 * facing)[..., None]
    lit += shine[..., None]
    return lit


def side_light(picture: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """Light that falls off across the picture, with its own exposure and colour cast."""
    height, width = picture.shape[:2]
    y, x = _grid((width, height))
    angle = rng.uniform(0, 2 * np.pi)
    slope = strength * rng.uniform(0.2, 1.0)
    across = (2 * x / width - 1) * float(np.cos(angle)) + (2 * y / height - 1) * float(np.sin(angle))
    cast = (rng.uniform(0.7, 1.12) * (1 + rng.normal(0.0, 0.05, 3))).astype(np.float32)
    lit: Pixels = picture * (1 + slope * across)[..., None]
    lit *= cast
    return lit


def lens_blur(picture: Pixels, radius: float) -> Pixels:
    """Defocus by `radius` pixels."""
    return channels(Image.fromarray(to_bytes(picture)).filter(ImageFilter.GaussianBlur(radius)))


def grain(picture: Pixels, rng: np.random.Generator, sigma: float, coarse: float) -> Pixels:
    """Sensor noise of standard deviation `sigma`, and `coarse` mottling a few pixels wide."""
    height, width = picture.shape[:2]
    noise = sigma * rng.standard_normal((height, width, 1), dtype=np.float32)
    spots = rng.standard_normal((height // 4 + 1, width // 4 + 1), dtype=np.float32)
    noise[..., 0] += coarse * np.asarray(Image.fromarray(spots).resize((width, height), Image.Resampling.BILINEAR))
    noisy: Pixels = picture + noise
    return noisy


def _grid(size: Size) -> tuple[Pixels, Pixels]:
    """y of shape (H, 1) and x of shape (1, W), in pixels."""
    return np.arange(size[1], dtype=np.float32)[:, None], np.arange(size[0], dtype=np.float32)[None, :]


def _plain(size: Size, colour: npt.ArrayLike) -> Pixels:
    planes = np.empty((3, size[1], size[0]), dtype=np.float32)
    planes[:] = np.reshape(colour, (3, 1, 1))
    return planes.transpose(1, 2, 0)


def _saturated(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.permutation([rng.integers(0, 90), rng.integers(90, 220), rng.integers(190, 256)]).tolist()
    return red, green, blue


def _muted(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = np.clip(rng.uniform(20, 215) + rng.normal(0, 14, 3), 0, 255).astype(int).tolist()
    return red, green, blue
