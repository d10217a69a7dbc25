"""Hot copies: a selection's features as one memory-mapped file, for random rows of what does not fit into RAM.

A copy is named by what is in it and is never changed, so processes share it and it never goes stale. It is only a
copy: delete it whenever the space is needed.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cache.atomic import written_beside
from cache.errors import StorageError
from cache.exports import write_npy
from cache.keys import sha256_of
from cache.places import Place
from cache.refusals import read_errors

if TYPE_CHECKING:
    from cache.selection import Selection

__all__ = ["free_memory", "hot_copy", "hot_files", "hot_folder", "in_ram_or_hot"]

_FOLDER = ".hot"
_RAM_SHARE = 4  # of the free memory a quarter: training makes a float32 copy, twice as large as float16


def in_ram_or_hot(selection: Selection, budget_bytes: int | None = None) -> npt.NDArray[Any]:
    """The selection's features, shape (N, *row_shape): in RAM up to a budget, else memory-mapped and read-only.

    Parameters
    ----------
    selection : what is read
    budget_bytes : of RAM; by default a quarter of what is free
    """
    n_bytes = len(selection) * selection.store.array(selection.output).row_bytes
    budget = free_memory() // _RAM_SHARE if budget_bytes is None else budget_bytes
    return selection.numpy() if n_bytes <= budget else hot_copy(selection)


def hot_copy(selection: Selection, folder: Path | None = None) -> npt.NDArray[Any]:
    """The selection's features as a read-only np.memmap, shape (N, *row_shape); built if it is not there.

    Parameters
    ----------
    selection : what is copied; checked against the manifest while it is
    folder : where hot copies are kept; by default see `hot_folder`

    Raises
    ------
    StorageError
        If the disk has no room for it, or refuses.
    StoreDamagedError
        If the store is not what was written; no copy is made then.
    """
    spec = selection.store.array(selection.output)
    path = (folder or hot_folder(selection.store.path)) / _name(selection)
    shape = (len(selection), *spec.row_shape)
    if (found := _opened(path, shape, spec.dtype)) is not None:
        return found
    _require_room(path.parent, len(selection) * spec.row_bytes)
    with written_beside(path) as partial:
        write_npy(selection, partial)
    return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))


def hot_folder(store: Place) -> Path:
    """Where the copies of the store at `store` are kept: `.hot` in its features root, `root/<encoder>/<dataset>.zarr`.

    Those of a store on another machine are in this user's cache folder.
    """
    if isinstance(store, Path):
        return store.absolute().parent.parent / _FOLDER
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "fer-stage" / _FOLDER


def hot_files(root: Path) -> list[tuple[Path, str]]:
    """The hot copies in a features root, each with the key of the store that it was made of."""
    return [(path, path.name.partition(".")[0]) for path in sorted((root / _FOLDER).glob("*.npy"))]


def _name(selection: Selection) -> str:
    """`<key>.<digest>.npy`. The array's digest is in it: features of equal keys may differ in the last bit."""
    store, spec = selection.store, selection.store.array(selection.output)
    content = {
        "output": selection.output,
        "view": selection.view,
        "dtype": spec.dtype,
        "rows": sha256_of(selection.rows.tolist()),
        "array": store.manifest.arrays[selection.output],
    }
    return f"{store.key}.{sha256_of(content)[:16]}.npy"


def _opened(path: Path, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any] | None:
    """The copy at `path`; None if there is none, or one that was cut short. StorageError if it cannot be read now."""
    try:
        with read_errors(str(path)):
            found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.dtype(dtype) else None


def _require_room(folder: Path, n_bytes: int) -> None:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if n_bytes > free:
        raise StorageError(
            f"a memory-mapped copy needs {_gigabytes(n_bytes)} in {folder}, {_gigabytes(free)} are free there. "
            "Free some space, or remove copies that no store needs: "
            f"{shlex.join(['fer-stage', 'store', 'gc', str(folder.parent)])}"
        )


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.3g} GB"


def free_memory() -> int:
    """Bytes of RAM that this process may still take: of the machine, and of its container if that has a limit."""
    return min(_machine_memory(), _container_memory())


def _machine_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # no Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _container_memory() -> int:
    """The limit of a container (cgroup v2) less what cannot be dropped; its page cache can."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())["anon"]
    except (OSError, ValueError, KeyError):  # no such container, or `max`: no limit
        return int(np.iinfo(np.int64).max)
    return max(0, limit - int(used))
