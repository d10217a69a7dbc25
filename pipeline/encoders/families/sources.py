"""The files that an encoder is made of: with the versions of the libraries, all that its description depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pipeline.encoders.file_digest import file_sha256
from pipeline.encoders.tokenizer_identity import vocabulary_files
from pipeline.encoders.weight_names import first_file

__all__ = ["Published", "Sources", "cached_on_hub", "folder_sources"]

Published: TypeAlias = Sequence[tuple[str, str]]
"""Repository and name of the files on the hub that may hold the weights; the first that is there is taken."""


@dataclass(frozen=True)
class Sources:
    """Files of an encoder.

    Parameters
    ----------
    weights : the file that `Encoder.identity` has the digest of
    others : what else is read of it: configs, vocabularies
    published : where on the hub the weights may be; empty for those that are named by a path
    has_tokenizer : whether they include its tokenizer, or the library carries that
    """

    weights: Path
    others: tuple[Path, ...] = ()
    published: Published = ()
    has_tokenizer: bool = True

    def digests(self) -> dict[str, str]:
        """Hex digests of the bytes, that of the weights as `weights`, all others by the name of the file.

        Raises
        ------
        EncoderError
            If one cannot be read.
        """
        others = {f"file {path.name}": file_sha256(path) for path in self.others}
        return {**others, "weights": file_sha256(self.weights)}


def folder_sources(folder: Path, names: Sequence[str]) -> Sources | None:
    """The weights in a folder, the first of `names`, and every file that may be a config or a vocabulary."""
    if not folder.is_dir() or (weights := first_file(folder, names)) is None:
        return None
    return Sources(weights, tuple(vocabulary_files(folder)))


def cached_on_hub(published: Published) -> Path | None:
    """The first of some files that the hub's cache on this machine has."""
    from huggingface_hub import try_to_load_from_cache  # late: embedded encoders and files need no hub

    cached = (try_to_load_from_cache(repository, name) for repository, name in published)
    return next((Path(path) for path in cached if isinstance(path, str)), None)
