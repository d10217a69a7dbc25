"""Names of the files that hold an encoder's weights: what is loaded and what is compared must be the same file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["OPEN_CLIP_CONFIG", "OPEN_CLIP_WEIGHTS", "TRANSFORMERS_WEIGHTS", "first_file", "published_files"]

OPEN_CLIP_CONFIG = "open_clip_config.json"
# In folders: the first that is there is taken.
OPEN_CLIP_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
TRANSFORMERS_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SAFE, _, _PICKLED = OPEN_CLIP_WEIGHTS


def first_file(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of the files that a folder has; None if it has none of them."""
    return next((path for name in names if (path := folder / name).is_file()), None)


def published_files(hub: str) -> tuple[str, list[str]]:
    """Where published weights of open_clip are on the hub.

    Parameters
    ----------
    hub : as open_clip's registry has it, `OWNER/NAME/` or `OWNER/NAME/FILE`

    Returns
    -------
    The repository, and names of files in it, safetensors first: of these the first that it has is taken, as open_clip
    does.
    """
    repository, _, name = hub.rpartition("/")
    if not name:
        return repository, [_SAFE, _PICKLED]
    safe = [f"{name[:-4]}.safetensors"] if name.endswith((".bin", ".pth")) else []
    return repository, [*safe, name]
