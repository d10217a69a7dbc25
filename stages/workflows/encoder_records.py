"""Records of encoders: what each is, written when it was loaded, and valid while all that it is made of is the same.

They are in the user's cache folder and not beside the features. Those are shared, pulled and read-only, and what the
libraries of another machine make of the same files is no evidence here.
"""

from __future__ import annotations

import hashlib
import logging
import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, PositiveInt

from cache.atomic import write_bytes
from cache.errors import CacheError
from cache.keys import sha256_of
from cache.places.user_folder import user_folder
from pipeline.encoders import EncoderSpec
from pipeline.encoders.description import EncoderDescription
from pipeline.encoders.families import Sources, sources
from pipeline.encoders.file_digest import file_sha256
from pipeline.errors import ConfigError, PipelineError
from pipeline.images.preprocess import Preprocess
from pipeline.regular_files import MAX_JSON_BYTES, read_regular

__all__ = ["EncoderRecord", "Kind", "Origin"]

logger = logging.getLogger(__name__)

Kind = Literal["images", "text"]

_LIBRARIES = (
    "fer-stage",
    "torch",
    "torchvision",
    "open_clip_torch",
    "timm",
    "transformers",
    "tokenizers",
    "huggingface_hub",
)
_PIPELINE = Path(__file__).parents[2] / "pipeline"


class Origin(BaseModel):
    """All that the description of an encoder depends on.

    Parameters
    ----------
    code : digest of the modules that make encoders of files
    published, files : of `Sources`: where on the hub, and name -> digest
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    kind: Kind
    spec: str
    versions: dict[str, str]
    code: str
    published: tuple[tuple[str, str], ...]
    files: dict[str, str]


class _Content(BaseModel):
    """The file of a record; `sha256` is of the rest of it."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    version: Literal[1]
    origin: Origin
    identity: dict[str, Any]
    note: str
    trained_on: tuple[str, ...]
    preprocess: dict[str, Any] | None
    row_shapes: dict[str, tuple[PositiveInt, ...]]  # in canonical order
    text_identity: dict[str, Any] | None
    sha256: str = ""

    @classmethod
    def of(cls, origin: Origin, description: EncoderDescription) -> Self:
        """The content that describes an encoder, with its digest."""
        content = cls(
            version=1,
            origin=origin,
            identity=dict(description.identity),
            note=description.note,
            trained_on=description.trained_on,
            preprocess=description.preprocess.as_json() if description.preprocess else None,
            row_shapes=dict(description.row_shapes),
            text_identity=None if description.text_identity is None else dict(description.text_identity),
        )
        return content.model_copy(update={"sha256": _sha256(content)})


@dataclass(frozen=True)
class EncoderRecord:
    """The record of an encoder on this machine.

    Parameters
    ----------
    kind : what the encoder is needed for: a record of one kind does not have the properties of the other
    """

    kind: Kind
    spec: EncoderSpec

    @property
    def path(self) -> Path:
        name = sha256_of([self.kind, str(self.spec.absolute())])
        return user_folder() / "encoders" / f"{name[:32]}.json"

    def origin(self) -> Origin | None:
        """What the encoder is made of now; None if files and libraries do not define it, or a file cannot be read."""
        content = self._content()
        with suppress(PipelineError, OSError):  # which the loader reports
            if found := sources(self.spec, content.origin.published if content else ()):
                return self._origin_of(found)
        return None

    def read(self, origin: Origin) -> EncoderDescription | None:
        """The recorded description, if it is of an encoder of this origin."""
        content = self._content()
        if content is None or content.origin != origin:
            return None
        return _description(content)

    def write(self, description: EncoderDescription, before: Origin | None) -> None:
        """Record an encoder that was loaded, unless a file changed meanwhile.

        Parameters
        ----------
        before : its origin before it was loaded; None if its files were not on this machine
        """
        origin = self.origin()
        if origin is None or description.identity.get("weights") != origin.files["weights"]:
            return
        if before != origin and not (before is None and origin.published):  # else its weights were downloaded
            return
        try:
            write_bytes(self.path, _Content.of(origin, description).model_dump_json().encode(), durable=False)
        except (CacheError, OSError, ValueError, RuntimeError) as error:  # a user without a home, a path without UTF-8
            logger.debug("the encoder %s is not recorded: %s", self.spec, error)

    def remove(self) -> None:
        """Remove the record, if it is there."""
        with suppress(OSError, RuntimeError):
            self.path.unlink(missing_ok=True)

    def _origin_of(self, found: Sources) -> Origin | None:
        if self.kind == "text" and not found.has_tokenizer:
            return None
        return Origin(
            kind=self.kind,
            spec=str(self.spec.absolute()),
            versions=_versions(),
            code=_code_sha256(),
            published=tuple(found.published),
            files=found.digests(),
        )

    def _content(self) -> _Content | None:
        """The file, if it is whole and of the versions of now."""
        try:
            content = _Content.model_validate_json(read_regular(self.path, MAX_JSON_BYTES))
        except (OSError, ValueError, RuntimeError):  # ValidationError is a ValueError
            return None
        if content.sha256 != _sha256(content) or content.origin.versions != _versions():
            return None
        return content


def _description(content: _Content) -> EncoderDescription | None:
    """What a record describes; None if it is not what `EncoderRecord.write` writes."""
    if content.identity.get("weights") != content.origin.files.get("weights"):
        return None
    if content.origin.kind == "images" and not (content.preprocess and content.row_shapes.get("pooled")):
        return None
    try:
        preprocess = Preprocess.from_json(content.preprocess) if content.preprocess else None
    except ConfigError:
        return None
    return EncoderDescription(
        content.identity,
        content.note,
        content.trained_on,
        preprocess,
        content.row_shapes,
        content.text_identity,
    )


def _sha256(content: _Content) -> str:
    return sha256_of(content.model_dump(exclude={"sha256"}))


@cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


@cache
def _code_sha256() -> str:
    """Digest of the modules from which encoders come: in a checkout they change without a new version."""
    paths = [*sorted((_PIPELINE / "encoders").rglob("*.py")), _PIPELINE / "images" / "preprocess.py"]
    digests = "".join(f"{path.relative_to(_PIPELINE)} {file_sha256(path)}\n" for path in paths)
    return hashlib.sha256(digests.encode()).hexdigest()
