"""Runtimes: faster than eager PyTorch, and used only while they give what it gives."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import timm
import torch
from encoder_models import MODEL, PREPROCESS, faces, load, pooled, run_python, seeded_clip, write_clip_folder
from safetensors.torch import save_file

from pipeline.encoders import RUNTIMES, EncoderSpec, load_encoder
from pipeline.encoders.families.open_clip_tower import open_clip_tower
from pipeline.encoders.runtimes import resolve_runtime
from pipeline.encoders.runtimes.checked import LARGEST_DIFFERENCE, Checked
from pipeline.encoders.runtimes.compiled_graph import CompiledGraph
from pipeline.encoders.runtimes.eager import Eager
from pipeline.encoders.runtimes.graphs import Graph
from pipeline.encoders.torch_encoder import TorchEncoder
from pipeline.encoders.towers import ImageTower, PixelTower
from pipeline.errors import EncoderError
from pipeline.images.preprocess import Preprocess

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]

SIZE = 32
CPU = torch.device("cpu")
OUTPUTS = ("pooled", "tokens", "block-1")
SAME_RUNTIME_TOLERANCE = 1e-5  # float32, summed in another order
CHECKED = "pipeline.encoders.runtimes.checked"
SILENT = """
import sys
from pathlib import Path
import numpy as np
from pipeline.encoders import EncoderSpec, load_encoder
encoder = load_encoder(EncoderSpec.parse("untrained"), "cpu", "openvino")
encoder.encode_images(np.zeros((1, 64, 64, 3), np.uint8))
print(encoder.runtime.split()[0], sys.modules["openvino_telemetry"], list(Path.home().iterdir()))
"""


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    return write_clip_folder(tmp_path / "clip")[0]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def pixel_tower() -> PixelTower:
    preprocess = Preprocess(SIZE, mean=tuple(PREPROCESS["mean"]), std=tuple(PREPROCESS["std"]))
    return PixelTower(open_clip_tower(seeded_clip(MODEL).visual.requires_grad_(False)), preprocess, CPU)


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What runtimes have warned of; torch logs a great deal besides."""
    return [record.message for record in caplog.records if record.name == CHECKED and record.levelname == "WARNING"]


class TestNames:
    @pytest.mark.parametrize(("device", "expected"), [("cpu", "openvino"), ("cuda", "eager"), ("cuda:1", "eager")])
    def test_auto_is_openvino_on_the_cpu(self, device: str, expected: str) -> None:
        assert resolve_runtime("auto", device) == expected

    def test_auto_is_eager_where_openvino_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)
        assert resolve_runtime("auto", "cpu") == "eager"

    def test_openvino_that_is_not_installed_is_named_with_its_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)
        with pytest.raises(EncoderError, match=r"not installed: pip install 'fer-stage\[openvino\]'"):
            load("untrained", runtime="openvino")

    def test_openvino_elsewhere_than_on_the_cpu_is_refused(self) -> None:
        with pytest.raises(EncoderError, match=r"runs on the CPU, the device is cuda\. Use --device cpu"):
            resolve_runtime("openvino", "cuda")

    @pytest.mark.parametrize("name", ["", "onnx", "Eager"])
    def test_others_are_refused(self, name: str) -> None:
        with pytest.raises(EncoderError, match=f"--runtime {name}: expected auto, eager, compile, openvino"):
            load("untrained", runtime=name)

    @pytest.mark.parametrize(
        ("runtime", "name"), [("eager", "eager"), ("compile", "compile"), ("openvino", "openvino ")]
    )
    def test_before_the_first_batch_an_encoder_names_what_it_will_try(self, runtime: str, name: str) -> None:
        assert load("untrained", runtime=runtime).runtime.startswith(name)

    def test_the_default_is_auto(self) -> None:
        assert load_encoder(EncoderSpec.parse("untrained"), "cpu").runtime.startswith("openvino ")
        assert RUNTIMES[0] == "auto"


class TestOpenVINO:
    def test_gives_what_eager_gives_for_any_size_of_batch(self, clip_folder: Path) -> None:
        fast, eager = (load(f"open_clip:small@{clip_folder}", runtime=name) for name in ("openvino", "eager"))
        for n in (3, 1, 8, 17):
            found, expected = (encoder.encode_images(faces(n, SIZE, seed=n), OUTPUTS) for encoder in (fast, eager))
            assert list(found) == list(OUTPUTS)
            for name in OUTPUTS:
                assert found[name].dtype == np.float32
                np.testing.assert_allclose(found[name], expected[name], atol=SAME_RUNTIME_TOLERANCE)
        assert fast.runtime.startswith("openvino 2")

    def test_a_row_depends_on_nothing_but_its_image(self, two_threads: None) -> None:
        """Neither on the other rows, nor on its place, nor on how many threads there are: to the last bit."""
        encoder, pixels = load("untrained", runtime="openvino"), faces(19, 64)
        together = pooled(encoder, pixels)
        torch.set_num_threads(1)
        on_one_thread = pooled(load("untrained", runtime="openvino"), pixels)
        backwards = pooled(encoder, np.ascontiguousarray(pixels[::-1]))[::-1]
        alone = np.concatenate([pooled(encoder, pixels[i : i + 1]) for i in range(len(pixels))])
        for other in (on_one_thread, backwards, alone):
            np.testing.assert_array_equal(other, together)

    def test_two_batches_do_not_share_their_memory(self) -> None:
        encoder = load("untrained", runtime="openvino")
        first = pooled(encoder, faces(2, 64))
        kept = first.copy()
        pooled(encoder, faces(2, 64, seed=1))
        np.testing.assert_array_equal(first, kept)

    def test_batches_that_are_started_before_the_last_one_is_done_are_the_same_to_the_last_bit(self) -> None:
        encoder = load("untrained", runtime="openvino")
        assert encoder.start_images(faces(2, 64)) is None  # the first batch is compared with eager PyTorch
        batches = [faces(n, 64, seed=n) for n in (70, 3, 19, 150)]
        expected = [pooled(encoder, batch) for batch in batches]
        results = [encoder.start_images(batch) for batch in batches]
        for result, features in zip(results, expected, strict=True):
            assert result is not None
            np.testing.assert_array_equal(result()["pooled"], features)

    def test_another_preparation_is_seen_by_it(self, clip_folder: Path) -> None:
        encoder = load(f"open_clip:small@{clip_folder}", runtime="openvino")
        pixels = faces(2, SIZE)
        other = encoder.with_preprocess(Preprocess(SIZE))
        np.testing.assert_allclose(
            pooled(other, pixels), pooled(other.reference(), pixels), atol=SAME_RUNTIME_TOLERANCE
        )
        assert np.abs(pooled(other, pixels) - pooled(encoder, pixels)).max() > 1e-3

    def test_what_it_cannot_convert_goes_on_eagerly_with_one_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """This model resizes its positions on the way, in a manner that OpenVINO does not know."""
        save_file(timm.create_model("test_vit").state_dict(), tmp_path / "w.safetensors")
        name = f"timm:test_vit@{tmp_path / 'w.safetensors'}"
        fast, eager = load(name, runtime="openvino"), load(name)
        for seed in (0, 1):
            pixels = faces(2, 160, seed)
            np.testing.assert_array_equal(pooled(fast, pixels), pooled(eager, pixels))
        assert fast.runtime == "eager"
        [message] = warned(caplog)
        assert message.startswith("runtime openvino 2")
        assert "cannot run this model (OpConversionFailure" in message
        assert "upsample_bicubic2d_aa" in message

    def test_reports_nothing_to_its_makers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its telemetry would write an identity into the home folder before it sends."""
        for name in ("CI", "TF_BUILD", "JENKINS_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert run_python(SILENT).split() == ["openvino", "None", "[]"]


class TestCompile:
    def test_what_runs_is_the_compiled_graph(self) -> None:
        """In pieces of the size of the first batch: another size would be compiled again."""
        compiled, sizes = [], []

        def counting(module: torch.fx.GraphModule, _inputs: Any) -> Callable[..., Any]:
            compiled.append(sum("scaled_dot_product_attention" in str(node.target) for node in module.graph.nodes))

            def run(*args: Any) -> Any:
                sizes.append([len(arg) for arg in args if arg.dtype == torch.uint8])
                return module(*args)

            return run

        tower = pixel_tower()
        graph = CompiledGraph(tower, OUTPUTS, 4, half=False, backend=counting)
        for n in (4, 2, 9):
            pixels = faces(n, SIZE, seed=n)
            expected = Eager(tower, CPU, half=False)(pixels, OUTPUTS)
            for found, name in zip(graph(pixels), OUTPUTS, strict=True):
                np.testing.assert_allclose(found, expected[name], atol=SAME_RUNTIME_TOLERANCE)
        assert compiled == [MODEL["vision_cfg"]["layers"]], "one graph with the whole tower in it"
        assert sizes == [[4]] * (1 + 1 + 3)

    @pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler on the CPU")
    def test_by_name_it_gives_what_eager_gives(self) -> None:
        """A model of one layer: a real one takes half a minute to compile."""
        tower = ImageTower(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4)).requires_grad_(False))
        eager = TorchEncoder({}, Preprocess(8), tower, CPU)
        fast = eager.with_runtime("compile")
        np.testing.assert_allclose(pooled(fast, faces(3, 8)), pooled(eager, faces(3, 8)), atol=SAME_RUNTIME_TOLERANCE)
        assert fast.runtime == "compile"


class Changed:
    """A runtime's graph: eager features of one output, changed. `calls` counts its batches."""

    def __init__(self, change: Callable[[Features], Features], outputs: Sequence[str] = ("pooled",)) -> None:
        self._eager, self._outputs, self._change = Eager(pixel_tower(), CPU, half=False), outputs, change
        self.calls = 0

    def __call__(self, pixels: Pixels) -> list[Features]:
        self.calls += 1
        return [self._change(values) for values in self._eager(pixels, self._outputs).values()]


def checked(build: Callable[[tuple[str, ...], int], Graph]) -> Checked:
    return Checked("fast", build, Eager(pixel_tower(), CPU, half=False))


def as_bfloat16(values: Features) -> Features:
    return torch.from_numpy(values).to(torch.bfloat16).to(torch.float32).numpy()


class TestCheck:
    def test_the_fast_features_are_used_from_the_first_batch_on(self) -> None:
        """Which batch came first must leave no trace in a store."""
        graph = Changed(lambda values: values * np.float32(1 + 1e-6))
        runtime = checked(lambda _outputs, _n: graph)
        for n in (1, 3):
            expected = Changed(lambda values: values * np.float32(1 + 1e-6))(faces(3, SIZE))[0]
            np.testing.assert_array_equal(runtime(faces(3, SIZE), ["pooled"])["pooled"], expected)
            assert graph.calls == (1 if n == 1 else 2)
        assert runtime.name == "fast"

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda values: values[::-1].copy(), "pooled has a cosine of "),
            (lambda values: values * np.float32(1 + 2 * LARGEST_DIFFERENCE), "pooled has a cosine of 1.0 to "),
            (lambda values: np.where(values == values.max(), np.nan, values), "cosine of nan"),
            (lambda values: np.full_like(values, np.inf), "cosine of nan"),
            (lambda values: 1 / 0, "it cannot run this model (ZeroDivisionError: division by zero)"),
        ],
    )
    def test_other_features_are_given_up_with_one_warning(
        self, change: Callable[[Features], Any], reason: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        graph = Changed(change)
        runtime = checked(lambda _outputs, _n: graph)
        for seed in (0, 1):
            pixels = faces(3, SIZE, seed)
            np.testing.assert_array_equal(runtime(pixels, ["pooled"])["pooled"], Changed(lambda v: v)(pixels)[0])
        assert (runtime.name, graph.calls) == ("eager", 1)
        [message] = warned(caplog)
        assert message.startswith("runtime fast: ")
        assert reason in message

    def test_a_faint_row_counts_as_much_as_a_strong_one(self, caplog: pytest.LogCaptureFixture) -> None:
        """A grey picture next to a white one: a tenth of its feature may turn, and the largest value hides it."""
        eager = Eager(PixelTower(ImageTower(torch.nn.Flatten()), Preprocess(8), CPU), CPU, half=False)
        pixels = np.stack([np.full((8, 8, 3), level, np.uint8) for level in (128, 255)])

        def turned(batch: Pixels) -> list[Features]:
            values = eager(batch, ["pooled"])["pooled"].copy()
            values[0, :96] *= 1.1
            return [values]

        runtime = Checked("fast", lambda _outputs, _n: turned, eager)
        runtime(pixels, ["pooled"])
        assert runtime.name == "eager"
        assert "differs by up to 0.000392 where the largest value is 1" in warned(caplog)[0]

    def test_every_choice_of_outputs_is_checked(self, caplog: pytest.LogCaptureFixture) -> None:
        def build(outputs: tuple[str, ...], n_rows: int) -> Graph:
            return Changed(as_bfloat16 if "tokens" in outputs else lambda values: values, outputs)

        runtime = checked(build)
        runtime(faces(2, SIZE), ["pooled"])
        assert runtime.name == "fast"
        runtime(faces(2, SIZE), ["pooled", "tokens"])
        assert (runtime.name, len(warned(caplog))) == ("eager", 1)


class TestReference:
    def test_is_the_same_frozen_model_run_eagerly_in_float32(self, clip_folder: Path) -> None:
        encoder = load(f"open_clip:small@{clip_folder}", runtime="openvino")
        reference = encoder.reference()
        assert (reference.runtime, reference.precision, reference.device) == ("eager", "float32", encoder.device)
        assert (reference.identity, reference.preprocess) == (encoder.identity, encoder.preprocess)
        expected = pooled(load(f"open_clip:small@{clip_folder}"), faces(1, SIZE))
        np.testing.assert_array_equal(pooled(reference, faces(1, SIZE)), expected)
