"""Encoders for stages that may have nothing to encode: one that is known from before is loaded when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from pipeline.encoders import Encoder, EncoderSpec, ImageEncoder, load_encoder, require_image_encoder
from pipeline.encoders.arithmetic import require_exact_environment
from pipeline.encoders.description import (
    DescribedEncoder,
    DescribedImageEncoder,
    DescribedTextEncoder,
    EncoderDescription,
)
from pipeline.encoders.devices import device_name
from pipeline.encoders.runtimes import resolve_runtime
from pipeline.progress import OnProgress
from stages.errors import StageError
from stages.workflows.encoder_records import EncoderRecord

__all__ = ["known_image_encoder", "known_text_encoder", "recorded_image_encoder"]


def known_image_encoder(spec: EncoderSpec, device: str, runtime: str, on_progress: OnProgress) -> ImageEncoder:
    """As `load_image_encoder`; a model that is known from before is loaded for the first image.

    Raises
    ------
    EncoderError
        As `load_image_encoder`.
    StageError
        From the first image on: if the loaded model is not what it was known as.
    """

    def describe(encoder: Encoder) -> EncoderDescription:
        return EncoderDescription.of_images(require_image_encoder(encoder))

    known, load = _known(
        EncoderRecord("images", spec), cache(lambda: load_encoder(spec, device, runtime, on_progress)), describe
    )
    if known is None or known.preprocess is None:
        return require_image_encoder(load())
    require_exact_environment()
    name = device_name(device)
    requested = resolve_runtime(runtime, name.partition(":")[0])
    return DescribedImageEncoder(known, name, load, known.preprocess, requested)


def recorded_image_encoder(spec: EncoderSpec, device: str) -> ImageEncoder | None:
    """What `known_image_encoder` gives, where it would load no model; None where it would."""
    record = EncoderRecord("images", spec)
    origin = record.origin()
    known = record.read(origin) if origin else None
    if known is None or known.preprocess is None:
        return None
    load = cache(lambda: load_encoder(spec, device))
    return DescribedImageEncoder(known, device_name(device), load, known.preprocess, "eager")


def known_text_encoder(spec: EncoderSpec, device: str, on_progress: OnProgress) -> Encoder:
    """As `load_encoder`, for its sentences; a model that is known from before is loaded for the first of them.

    Raises
    ------
    EncoderError
        As `load_encoder`.
    StageError
        From the first sentence on: if the loaded model is not what it was known as.
    """
    known, load = _known(
        EncoderRecord("text", spec),
        cache(lambda: load_encoder(spec, device, on_progress=on_progress)),
        EncoderDescription.of_text,
    )
    if known is None:
        return load()
    require_exact_environment()
    kind = DescribedEncoder if known.text_identity is None else DescribedTextEncoder
    return kind(known, device_name(device), load)


def _known(
    record: EncoderRecord, load: Callable[[], Encoder], describe: Callable[[Encoder], EncoderDescription]
) -> tuple[EncoderDescription | None, Callable[[], Encoder]]:
    """What is recorded of an encoder, and what loads it; it is loaded and recorded here if nothing is."""
    origin = record.origin()
    if origin is None or (known := record.read(origin)) is None:
        record.write(describe(load()), origin)
        return None, load

    @cache
    def checked() -> Encoder:
        encoder = load()
        if describe(encoder) != known:
            record.remove()
            raise StageError(
                f"{record.spec}: the loaded encoder is not the one that {record.path} describes, though its files and "
                "the libraries are the same. That record has been removed: run the command again"
            )
        return encoder

    return known, checked
