"""From a name to a loaded encoder; modules that only parse names import no torch."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from pipeline.allocator import keep_freed_memory
from pipeline.encoders.arithmetic import float32_arithmetic, require_exact_environment, require_float32
from pipeline.encoders.families import FAMILIES
from pipeline.encoders.protocols import Encoder, ImageEncoder, encodes_images, require_image_encoder
from pipeline.encoders.runtimes import resolve_runtime
from pipeline.encoders.spec import EncoderSpec
from pipeline.errors import EncoderError
from pipeline.progress import OnProgress, silent

__all__ = ["load_encoder", "load_image_encoder"]


@float32_arithmetic()  # models take torch's default dtype when they are built
def load_encoder(
    spec: EncoderSpec, device: str = "auto", runtime: str = "auto", on_progress: OnProgress = silent
) -> Encoder:
    """Load the frozen model that `spec` names.

    Parameters
    ----------
    spec : parsed name
    device : `auto` (CUDA when there is one), `cpu`, `cuda`, `cuda:1`
    runtime : of the image tower, of `RUNTIMES`: `eager`; `compile` (torch.compile); `openvino` (CPU); `auto`, which is
        OpenVINO on the CPU if it is installed, else eager. A fast one is used while its features are those of eager
        PyTorch: read `ImageEncoder.runtime` after the last batch to know what ran.
    on_progress : called with the megabytes of weights that are downloaded

    Raises
    ------
    EncoderError
        Unknown architecture or tag, missing or damaged weights, an activation that does not fit the weights, no
        network, no such device, a runtime or the package transformers not installed, arithmetic that the environment
        makes coarser than float32: always before any image is read.
    """
    # Late imports: torch and open_clip take seconds, and names are parsed by commands that need neither.
    from pipeline.encoders.torch_encoder import resolve_device

    require_exact_environment()
    target = resolve_device(device)
    require_float32(target)
    resolve_runtime(runtime, target.type)  # a wrong name is reported before weights are read
    if target.type == "cpu":
        keep_freed_memory()
    family = FAMILIES[spec.family]
    if family.package and find_spec(family.package) is None:
        raise EncoderError(f"{spec}: {family.package} is not installed: pip install 'fer-stage[{family.extra}]'")
    module, _, function = family.loader.partition(":")
    encoder: Encoder = getattr(importlib.import_module(module), function)(spec, target, on_progress)
    return encoder.with_runtime(runtime) if encodes_images(encoder) else encoder


def load_image_encoder(
    spec: EncoderSpec, device: str = "auto", runtime: str = "auto", on_progress: OnProgress = silent
) -> ImageEncoder:
    """As `load_encoder`, for a caller that has images; EncoderError if the model reads sentences only."""
    return require_image_encoder(load_encoder(spec, device, runtime, on_progress))
