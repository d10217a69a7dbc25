"""How an encoder is written, and what that says before any weight is read."""

from __future__ import annotations

import os.path
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError

__all__ = ["EMBEDDED", "MINI", "TRANSFORMERS", "UNTRAINED", "WITHOUT_TEXT", "EncoderSpec"]

TRANSFORMERS, MINI, UNTRAINED = "transformers", "mini", "untrained"
EMBEDDED = (MINI, UNTRAINED)  # what the package carries, or makes itself
WITHOUT_TEXT = ("timm",)
_FORMS = (
    "open_clip:ARCH/TAG, open_clip:ARCH@FILE_OR_DIR, timm:ARCH@FILE, transformers:ARCH/OWNER/NAME, "
    "transformers:ARCH@DIR, mini or untrained"
)
_SPEC = re.compile(
    r"(?P<family>open_clip|timm|transformers):(?P<architecture>[^/@]+)"
    r"(?:/(?P<tag>[^/@]+(?P<repository>/[^/@]+)?)|@(?P<path>.+))"
)


@dataclass(frozen=True)
class EncoderSpec:
    """A parsed encoder name. Exactly one of `tag` and `path` is set, none for embedded encoders.

    The tag of a transformers model is its repository on the hub, `OWNER/NAME`.
    """

    family: str
    architecture: str
    tag: str = ""
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> EncoderSpec:
        """Read `open_clip:ARCH/TAG`, `open_clip:ARCH@PATH`, `timm:ARCH@PATH`, `transformers:...` or an embedded name.

        Raises
        ------
        ConfigError
            If `text` has none of these forms.
        """
        text = text.lstrip() if "@" in text else text.strip()  # the name of a file may end with a space
        if text in EMBEDDED:
            return cls(text, text)
        found = _SPEC.fullmatch(text)
        if not found or (found["tag"] and bool(found["repository"]) != (found["family"] == TRANSFORMERS)):
            raise ConfigError(f"encoder {text!r}: expected {_FORMS}")
        if found["family"] == "timm" and found["tag"]:
            raise ConfigError(f"encoder {text!r}: timm weights are named by file, timm:{found['architecture']}@FILE")
        path = Path(os.path.expanduser(found["path"])) if found["path"] else None  # `~nobody` stays as it is
        return cls(found["family"], found["architecture"], found["tag"] or "", path)

    @property
    def slug(self) -> str:
        """A folder name for its features: `open_clip-ViT-B-32-quickgelu-openai`."""
        if self.family in EMBEDDED:
            return self.family
        weights = self.tag or (self.path.stem if self.path else "")
        parts = [self.family, self.architecture, *([weights] if weights != self.architecture else [])]
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(parts))

    @property
    def has_text(self) -> bool:
        """Whether an encoder of this family has a text tower."""
        return self.family not in WITHOUT_TEXT

    def __str__(self) -> str:
        if self.family in EMBEDDED:
            return self.family
        return f"{self.family}:{self.architecture}" + (f"@{self.path}" if self.path else f"/{self.tag}")
