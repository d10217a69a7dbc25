"""How an encoder is written, and what that says before any weight is read."""

from __future__ import annotations

import hashlib
import os.path
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError

__all__ = ["EMBEDDED", "MINI", "TRANSFORMERS", "UNTRAINED", "WITHOUT_TEXT", "EncoderSpec"]

TIMM, TRANSFORMERS, MINI, UNTRAINED = "timm", "transformers", "mini", "untrained"
EMBEDDED = (MINI, UNTRAINED)  # what the package carries, or makes itself
WITHOUT_TEXT = (TIMM,)
_FORMS = (
    "open_clip:ARCH/TAG, open_clip:ARCH@FILE_OR_DIR, timm:ARCH@FILE, timm:ARCH.TAG@FILE, transformers:ARCH/OWNER/NAME, "
    "transformers:ARCH@DIR, mini or untrained"
)
_LONGEST_SLUG = 150  # characters: a folder is named so
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # in no name and no path of weights
_SPEC = re.compile(
    r"(?P<family>open_clip|timm|transformers):(?P<architecture>[^/@]+)"
    r"(?:/(?P<tag>[^/@]+(?P<repository>/[^/@]+)?)|@(?P<path>.+))"
)


@dataclass(frozen=True)
class EncoderSpec:
    """A parsed encoder name. Exactly one of `tag` and `path` is set, none for embedded encoders; timm's may have both.

    The tag of a transformers model is its repository on the hub, `OWNER/NAME`. That of a timm model says which of
    timm's published weights the file is, or is prepared like.
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
        if text in EMBEDDED:
            return cls(text, text)
        found = None if _CONTROL.search(text) else _SPEC.fullmatch(text)
        if not found or (found["tag"] and bool(found["repository"]) != (found["family"] == TRANSFORMERS)):
            raise ConfigError(f"encoder {text!r:.200}: expected {_FORMS}")
        if found["family"] == TIMM and found["tag"]:
            raise ConfigError(f"encoder {text!r}: timm weights are named by file, timm:{found['architecture']}@FILE")
        path = Path(os.path.expanduser(found["path"])) if found["path"] else None  # `~nobody` stays as it is
        architecture, tag = found["architecture"], found["tag"] or ""
        if found["family"] == TIMM:
            architecture, _, tag = architecture.partition(".")
        return cls(found["family"], architecture, tag, path)

    @property
    def slug(self) -> str:
        """A folder name for its features: `open_clip-ViT-B-32-quickgelu-openai`; a long one ends with a digest."""
        if self.family in EMBEDDED:
            return self.family
        weights = self.path.stem if self.path else self.tag
        parts = [self.family, self._named, *([weights] if weights != self._named else [])]
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(parts))
        return slug if len(slug) <= _LONGEST_SLUG else f"{slug[:_LONGEST_SLUG]}-{_sha256(str(self))[:12]}"

    @property
    def has_text(self) -> bool:
        """Whether an encoder of this family has a text tower."""
        return self.family not in WITHOUT_TEXT

    def __str__(self) -> str:
        if self.family in EMBEDDED:
            return self.family
        return f"{self.family}:{self._named}" + (f"@{self.path}" if self.path else f"/{self.tag}")

    @property
    def _named(self) -> str:
        """The architecture as it is written."""
        return f"{self.architecture}.{self.tag}" if self.family == TIMM and self.tag else self.architecture


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
