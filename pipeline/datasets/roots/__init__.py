"""open_root: a dataset's files from a folder, or from an archive or shard that is read in place."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path

from pipeline.datasets.roots.containers import Container, container_suffixes, is_container, register
from pipeline.datasets.roots.extents import Extent
from pipeline.datasets.roots.files import Root
from pipeline.datasets.roots.folder_root import FileRoot, FolderRoot
from pipeline.datasets.roots.pixel_csv import PixelCsv
from pipeline.datasets.roots.tar_members import TarShard
from pipeline.datasets.roots.tar_root import TarRoot
from pipeline.datasets.roots.zip_root import ZipRoot
from pipeline.errors import DatasetError
from pipeline.progress import OnProgress, silent
from pipeline.regular_files import open_regular
from pipeline.video.formats import VIDEO_SUFFIXES

__all__ = ["FileRoot", "FolderRoot", "Root", "TarRoot", "open_root"]

_GZIP, _ZIP = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_PARQUET, _ARROW = b"PAR1", (b"ARRO", b"\xff\xff\xff\xff")


def _row_shard(module: str, name: str, extent: Extent) -> Container:
    # By name, when the first one is opened: PyArrow takes half a second to import.
    shard: Container = getattr(import_module(f"pipeline.datasets.roots.{module}"), name)(extent)
    return shard


def _video(extent: Extent) -> Container:
    # By name as well: PyAV loads the libraries of FFmpeg.
    video: Container = import_module("pipeline.datasets.roots.video_frames").VideoFrames(extent)
    return video


register(".tar", TarShard)
register(".parquet", partial(_row_shard, "parquet_shard", "ParquetShard"))
register(".arrow", partial(_row_shard, "arrow_shard", "ArrowShard"))
register(".csv", PixelCsv)
for _suffix in sorted(VIDEO_SUFFIXES):
    register(_suffix, _video)


def open_root(
    path: Path,
    expected: str = "a folder of images, or a .tar, .tar.gz, .tgz or .zip of one",
    on_progress: OnProgress = silent,
) -> Root:
    """Open a dataset's root; the kind of a file is known by its content, not by its suffix.

    Parameters
    ----------
    path : folder, archive, or one shard of rows (parquet, Arrow)
    expected : what the layout reads, for the message
    on_progress : called while a tar is unpacked and listed, which takes minutes for one of many gigabytes

    Raises
    ------
    DatasetError
        If there is no such path, or the archive is damaged, unsafe or of a kind that cannot be read in place.
    """
    if path.is_dir():
        return FolderRoot(path)
    if not path.is_file():
        raise DatasetError(f"expected {expected}, found neither a folder nor a file at {path}. Check the root")
    try:
        with open_regular(path) as file:
            magic = file.read(4)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}. Check its permissions") from error
    if magic[:2] == _GZIP:
        return TarRoot(path, compressed=True, on_progress=on_progress)
    if magic in _ZIP:
        return ZipRoot(path)
    if magic == _PARQUET or magic in _ARROW:
        return _shard_root(path, ".parquet" if magic == _PARQUET else ".arrow")
    if is_container(path.name) and path.suffix.casefold() != ".tar":
        return FileRoot(path)
    return TarRoot(path, on_progress=on_progress)


def _shard_root(path: Path, suffix: str) -> FileRoot:
    if path.suffix.casefold() != suffix:
        raise DatasetError(
            f"{path}: its content is that of a {suffix} file, and its name has another suffix. Rename it to "
            f"{path.stem}{suffix}; suffixes of shards are "
            + ", ".join(suffix for suffix in container_suffixes() if suffix not in VIDEO_SUFFIXES)
        )
    return FileRoot(path)
