"""Pictures of the size and weight of real face crops, for what must be measured without them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.images.reading import ImageRow

__all__ = ["face", "write_faces"]


def face(side: int, kind: str = "JPEG", seed: int = 0) -> bytes:
    """One picture: smooth with a little noise, as a photograph is. PNGs are grey, as FER2013's are."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (max(side // 8, 4),) * 2 + (3,), np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float64)
    picture = Image.fromarray((smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255).astype(np.uint8))
    out = io.BytesIO()
    if kind == "PNG":
        picture.convert("L").save(out, kind)
    else:
        picture.save(out, kind, quality=90)
    return out.getvalue()


def write_faces(folder: Path, n_files: int, n_rows: int, side: int, kind: str = "JPEG") -> Sequence[ImageRow]:
    """`n_files` pictures, in two folders named like expressions, and an `ImageRow` for each of `n_rows` rows."""
    files = []
    for i in range(n_files):
        path = Path(("fear", "anger")[i % 2], f"{i:05d}.{'png' if kind == 'PNG' else 'jpg'}")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        data = face(side, kind, seed=i)
        (folder / path).write_bytes(data)
        files.append((str(path), hashlib.sha256(data).hexdigest()))
    return [ImageRow(row, *files[row % n_files]) for row in range(n_rows)]
