"""From a name to a loaded encoder; the only door to torch for those who just parse names."""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.encoders.arithmetic import float32_arithmetic, require_exact_environment, require_float32
from pipeline.encoders.base import Encoder
from pipeline.encoders.runtimes import resolve_runtime
from pipeline.encoders.spec import EMBEDDED, TRANSFORMERS, EncoderSpec
from pipeline.errors import EncoderError
from pipeline.progress import OnProgress, silent

__all__ = ["load_encoder"]


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
        PyTorch: read `Encoder.runtime` after the last batch to know what ran.
    on_progress : called with the megabytes of weights that are downloaded

    Raises
    ------
    EncoderError
        Unknown architecture or tag, missing or damaged weights, an activation that does not fit the weights, no
        network, no such device, a runtime or the package transformers not installed, arithmetic that the environment
        makes coarser than float32: always before any image is read.
    """
    # Late imports: torch and open_clip take seconds, and names are parsed by commands that need neither.
    from pipeline.encoders.torch_encoder import keep_freed_memory, resolve_device

    require_exact_environment()
    target = resolve_device(device)
    require_float32(target)
    resolve_runtime(runtime, target.type)  # a wrong name is said before weights are read
    if target.type == "cpu":
        keep_freed_memory()
    if spec.family == "timm":
        from pipeline.encoders.families.timm_encoder import load_timm

        return load_timm(spec, target).with_runtime(runtime)
    if spec.family == TRANSFORMERS:
        if find_spec("transformers") is None:
            raise EncoderError(f"{spec}: transformers is not installed: pip install 'fer-stage[vlm]'")
        from pipeline.encoders.families.transformers_encoder import load_transformers

        return load_transformers(spec, target, on_progress)
    if spec.family in EMBEDDED:
        from pipeline.encoders.families.embedded_encoder import load_embedded

        return load_embedded(spec, target).with_runtime(runtime)
    from pipeline.encoders.families.open_clip_encoder import load_open_clip

    return load_open_clip(spec, target, on_progress).with_runtime(runtime)
