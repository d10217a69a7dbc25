"""The mark of a score on a dataset whose train split the encoder itself was trained on."""

from __future__ import annotations

__all__ = ["LEGEND", "SEEN_DOMAIN", "marked"]

SEEN_DOMAIN = "†"
LEGEND = (
    f"{SEEN_DOMAIN} seen domain: the encoder itself saw the train split of this dataset "
    "(of the sample: other drawn people in the same styles)"
)


def marked(text: str, encoder_saw: bool) -> str:
    """`text`, with the mark behind it where one is due."""
    return f"{text} {SEEN_DOMAIN}" if encoder_saw else text
