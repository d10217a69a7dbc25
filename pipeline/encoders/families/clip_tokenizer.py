"""open_clip's own tokenizer, without the rest of open_clip, whose import takes longer than all prompts of a dataset."""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

__all__ = ["clip_tokenizer"]


def clip_tokenizer(context_length: int) -> Any:
    """open_clip's `SimpleTokenizer`: sentences -> int64 (P, context_length), padded."""
    return _tokenizer_module().SimpleTokenizer(context_length=context_length)


@cache
def _tokenizer_module() -> ModuleType:
    """`open_clip.tokenizer`, taken by its place unless open_clip is imported already.

    It needs nothing of its package, which imports transformers, timm and torchvision, and with that torch's compiler:
    2.5 s of CPU time. Where a later open_clip has it elsewhere, or it does need its package, that is imported.
    """
    package = None if "open_clip" in sys.modules else find_spec("open_clip")  # which does not import it
    spec = package and PathFinder.find_spec("tokenizer", package.submodule_search_locations)
    if spec and spec.loader:
        module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except ImportError:  # relative ones
            pass
        else:
            return module
    from open_clip import tokenizer  # late: see above

    return tokenizer  # type: ignore[no-any-return]  # open_clip has no types
