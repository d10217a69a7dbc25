"""Frozen encoders behind two protocols, of images and of texts. Names are read without torch; `load_encoder` loads one.

open_clip:ARCH/TAG            weights by tag, from the hub's cache on this machine, else from the hub
open_clip:ARCH@FILE_OR_DIR    weights from a file, or a folder with open_clip_config.json
timm:ARCH@FILE                image tower only
timm:ARCH.TAG@FILE            the same, prepared as timm's published weights of that tag
transformers:ARCH/OWNER/NAME  text tower only, of blip or align, from the hub or its cache
transformers:ARCH@DIR         the same from a folder: config.json, weights and tokenizer
mini                          the embedded encoder: a small open_clip model that the package carries; not CLIP
untrained                     a small open_clip model with seeded random weights: knows nothing
"""

from pipeline.encoders.families import FAMILIES, CurrentIdentity, current_identity
from pipeline.encoders.load import load_encoder, load_image_encoder
from pipeline.encoders.protocols import (
    Encoder,
    ImageEncoder,
    TextEncoder,
    encodes_images,
    encodes_text,
    require_image_encoder,
    require_text_encoder,
)
from pipeline.encoders.runtimes import RUNTIMES
from pipeline.encoders.spec import EncoderSpec

__all__ = [
    "FAMILIES",
    "RUNTIMES",
    "CurrentIdentity",
    "Encoder",
    "EncoderSpec",
    "ImageEncoder",
    "TextEncoder",
    "current_identity",
    "encodes_images",
    "encodes_text",
    "load_encoder",
    "load_image_encoder",
    "require_image_encoder",
    "require_text_encoder",
]
