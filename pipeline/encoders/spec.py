"""How an encoder is written, and what follows from that before any weight is read."""

from __future__ import annotations

import hashlib
import os.path
import re
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.plugins import entry_point_names, is_reference

__all__ = ["FILE", "GROUP", "EncoderSpec", "Syntax", "family_has_text", "register"]

_LONGEST_SLUG = 150  # characters: a folder is named so
GROUP = "fer_stage.encoders"  # of entry points
FILE = "file"  # the family of encoders of one's own, which are written as FILE.py:NAME
_OF_FILE = re.compile(r"(?P<code>[^@:]+\.py:[A-Za-z_]\w*)(?:@(?P<path>.+))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # in no name and no path of weights


@dataclass(frozen=True)
class Syntax:
    """How encoders of one family are written.

    Parameters
    ----------
    forms : for messages, as `timm:ARCH@FILE`; a family of one encoder has its name alone
    pattern : of what follows the colon, with the groups `architecture`, `tag` and `path`, the last two optional; None
        for a family of one encoder
    has_text : whether all of its encoders have a text tower
    needs_file : whether the weights have to be a file
    """

    forms: tuple[str, ...]
    pattern: re.Pattern[str] | None
    has_text: bool = True
    needs_file: bool = False


_FAMILIES: dict[str, Syntax] = {}


def register(family: str, syntax: Syntax) -> None:
    """Make a family known to `EncoderSpec.parse`."""
    _FAMILIES[family] = syntax


@dataclass(frozen=True)
class EncoderSpec:
    """A parsed encoder name. Exactly one of `tag` and `path` is set, none for embedded encoders; timm's may have both.

    The tag of a transformers model is its repository on the hub, `OWNER/NAME`. That of a timm model is which of
    timm's published weights the file is, or is prepared like. The architecture of an encoder of one's own is the code
    that makes it, FILE.py:NAME, or the name of an entry point.
    """

    family: str
    architecture: str
    tag: str = ""
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> EncoderSpec:
        """Read `open_clip:ARCH/TAG`, `open_clip:ARCH@PATH`, `timm:ARCH.TAG@PATH`, `transformers:...`, `mini`, ...

        Raises
        ------
        ConfigError
            If `text` has none of these forms.
        """
        text = text.lstrip() if "@" in text else text.strip()  # the name of a file may end with a space
        if (own := _OF_FILE.fullmatch(text)) and not _CONTROL.search(text):
            return cls(FILE, own["code"], path=Path(os.path.expanduser(own["path"])) if own["path"] else None)
        family, colon, rest = text.partition(":")
        syntax = None if _CONTROL.search(text) else _FAMILIES.get(family)
        if syntax is None:
            return _of_package(text)
        if syntax.pattern is None:
            if colon:
                raise _unknown(text)
            return cls(family, family)
        match = syntax.pattern.fullmatch(rest)
        if match is None:
            raise _unknown(text)
        parts = match.groupdict(default="")
        if syntax.needs_file and not parts["path"]:
            advice = f"{family}:{rest.partition('/')[0]}@FILE"
            raise ConfigError(f"encoder {text!r}: {family} weights are named by file, {advice}")
        path = Path(os.path.expanduser(parts["path"])) if parts["path"] else None  # an unknown `~user` stays as it is
        return cls(family, parts["architecture"], parts["tag"], path)

    @property
    def slug(self) -> str:
        """A folder name for its features: `open_clip-ViT-B-32-quickgelu-openai`; a long one ends with a digest."""
        if self.family != FILE and self._is_single:
            return self.family
        weights = self.path.stem if self.path else self.tag
        parts = [self.family, self._named, *([weights] if weights != self._named else [])]
        if self.family == FILE:
            file, _, name = self.architecture.rpartition(":")
            parts = [part for part in (Path(file).stem, name, weights) if part]
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(parts))
        return slug if len(slug) <= _LONGEST_SLUG else f"{slug[:_LONGEST_SLUG]}-{_sha256(str(self))[:12]}"

    @property
    def has_text(self) -> bool:
        """Whether all encoders of this family have a text tower; see `families.has_text`."""
        return family_has_text(self.family)

    def absolute(self) -> EncoderSpec:
        """The same encoder for another process, which may work in another folder: with absolute paths of its files."""
        architecture = self.architecture
        if self.family == FILE and is_reference(architecture):
            code, _, name = architecture.rpartition(":")
            architecture = f"{Path(code).expanduser().absolute()}:{name}"
        return replace(self, architecture=architecture, path=self.path.absolute() if self.path else None)

    def __str__(self) -> str:
        if self.family == FILE:
            return self.architecture + (f"@{self.path}" if self.path else "")
        if self._is_single:
            return self.family
        return f"{self.family}:{self._named}" + (f"@{self.path}" if self.path else f"/{self.tag}")

    @property
    def _is_single(self) -> bool:
        """Whether the family has one encoder, which its name alone names."""
        return not self.tag and self.path is None

    @property
    def _named(self) -> str:
        """The architecture as it is written."""
        return f"{self.architecture}.{self.tag}" if self.path and self.tag else self.architecture


def _of_package(text: str) -> EncoderSpec:
    """`NAME` or `NAME@WEIGHTS` of an entry point of an installed package."""
    name, _, weights = text.partition("@")
    if _CONTROL.search(text) or name not in entry_point_names(GROUP):
        raise _unknown(text)
    return EncoderSpec(FILE, name, path=Path(os.path.expanduser(weights)) if weights else None)


def family_has_text(family: str) -> bool:
    """Whether all encoders of a family have a text tower; True of a family that is not known."""
    return family not in _FAMILIES or _FAMILIES[family].has_text


def _unknown(text: str) -> ConfigError:
    *forms, last = (form for syntax in _FAMILIES.values() for form in syntax.forms)
    return ConfigError(f"encoder {text!r:.200}: expected {', '.join(forms)} or {last}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
