"""What a text tower reads: its tokenizer, identified by its files or by what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.encoders.file_digest import files_sha256

__all__ = ["own_tokenizer", "tokenizer_content", "tokenizer_files", "vocabulary_files"]

_SUFFIXES = (".json", ".txt", ".model", ".vocab", ".bpe")  # tokenizer.json, vocab.txt, merges.txt, spiece.model ...
_MAX_BYTES = 64 * 2**20  # the largest published vocabularies are a third of it


def tokenizer_files(folder: Path, config: Any) -> str:
    """Digest of the files in an encoder's folder that may change its tokens; empty if the folder has no tokenizer.

    Parameters
    ----------
    folder : of an open_clip model
    config : its `model_cfg`; without `text_cfg.hf_tokenizer_name` open_clip's own tokenizer is used, which no file of
        the folder changes

    Raises
    ------
    EncoderError
        If a file cannot be read.
    """
    return files_sha256(vocabulary_files(folder)) if own_tokenizer(config) else ""


def own_tokenizer(config: Any) -> str:
    """The name of the tokenizer that a `model_cfg` has instead of open_clip's own; empty if it has none."""
    text = config.get("text_cfg") if isinstance(config, Mapping) else None
    return str(text.get("hf_tokenizer_name") or "") if isinstance(text, Mapping) else ""


def vocabulary_files(folder: Path) -> list[Path]:
    """The files in an encoder's folder that may be a config or a part of a tokenizer, by name."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    return [path for path in paths if path.stat().st_size <= _MAX_BYTES]


def tokenizer_content(tokenizer: Any) -> str:
    """Digest of all that a tokenizer holds: vocabulary, merges, special tokens, normalisation, options.

    Parameters
    ----------
    tokenizer : of open_clip: its own, or one that wraps a tokenizer of transformers
    """
    inner = getattr(tokenizer, "tokenizer", tokenizer)
    fast = getattr(inner, "backend_tokenizer", None)
    content: dict[str, Any] = {
        "kinds": [type(tokenizer).__name__, type(inner).__name__],
        "context_length": getattr(tokenizer, "context_length", None),
        "functions": [getattr(getattr(tokenizer, name, None), "__name__", "") for name in ("clean_fn", "reduction_fn")],
        "options": {name: str(getattr(inner, name, "")) for name in ("padding_side", "truncation_side", "pad_token")},
    }
    if fast is not None:
        content["model"] = fast.to_str()
    elif hasattr(inner, "get_vocab"):
        content["vocabulary"] = inner.get_vocab()
    else:
        content["vocabulary"] = getattr(inner, "encoder", {})
        content["merges"] = [[list(pair), rank] for pair, rank in getattr(inner, "bpe_ranks", {}).items()]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
