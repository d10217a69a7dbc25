"""Advice that runs as it is printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cache.errors import CacheError
from stages.errors import StageError

__all__ = ["encoder_named"]


@contextmanager
def encoder_named(folder: str, given: str) -> Iterator[None]:
    """Errors inside name an encoder by its folder, which `--encoder` does not take of one that was written out.

    Parameters
    ----------
    folder : its name below features/, such as open_clip-ViT-B-32-quickgelu-openai
    given : its name as `--encoder` takes it: a name in params.yaml, or open_clip:ViT-B-32-quickgelu/openai
    """
    try:
        yield
    except (CacheError, StageError) as error:
        said = str(error)
        told = said.replace(f"--encoder {folder}", f"--encoder {given}")
        if told == said:
            raise
        raise type(error)(told) from error
