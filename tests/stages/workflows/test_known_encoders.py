"""An encoder that is known from before is not loaded to be compared, and never mistaken for another one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_models import faces, write_clip_folder

from cache.keys import sha256_of
from pipeline.encoders import EncoderSpec, ImageEncoder, encodes_images, encodes_text, load_encoder
from pipeline.encoders.description import DescribedEncoder, DescribedImageEncoder, DescribedTextEncoder
from pipeline.encoders.families.file_family import allow
from pipeline.encoders.protocols import starts_images
from pipeline.errors import EncoderError, PipelineError
from pipeline.progress import silent
from stages.errors import StageError
from stages.workflows.encoder_records import EncoderRecord
from stages.workflows.known_encoders import known_image_encoder, known_text_encoder

SPEC = EncoderSpec.parse("open_clip:tiny@weights")
MINE = """
import torch
from pipeline.images.preprocess import Preprocess

class Mine(torch.nn.Module):
    preprocess = Preprocess(size=8)

    def __init__(self, weights):
        super().__init__()
        self.layer = torch.nn.Linear(192, 4)

    def forward(self, images):
        return self.layer(images.flatten(1))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the weights of a small encoder, and a user's cache folder without a record."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    write_clip_folder(Path("weights"), seed=0)
    return tmp_path


def images(spec: EncoderSpec = SPEC) -> ImageEncoder:
    return known_image_encoder(spec, "cpu", "eager", silent)


def is_known(spec: EncoderSpec = SPEC) -> bool:
    """Whether the encoder, which is recorded if it is not, was known before."""
    return isinstance(images(spec), DescribedImageEncoder)


def record_of(spec: EncoderSpec = SPEC) -> Path:
    return EncoderRecord("images", spec).path


def forge(**changes: Any) -> None:
    """Change a record, with a digest that is right again."""
    content = json.loads(record_of().read_text()) | changes
    content["sha256"] = sha256_of({name: value for name, value in content.items() if name != "sha256"})
    record_of().write_text(json.dumps(content))


class TestAKnownEncoder:
    def test_is_described_as_it_is_when_it_is_loaded(self) -> None:
        assert not is_known()
        known, loaded = images(), load_encoder(SPEC, "cpu", "eager")
        assert isinstance(known, DescribedImageEncoder)
        assert encodes_images(loaded)
        for name in ("identity", "note", "trained_on", "precision", "device", "preprocess", "width"):
            assert getattr(known, name) == getattr(loaded, name), name
        assert list(known.row_shapes.items()) == list(loaded.row_shapes.items())  # in the same order
        assert [encodes_images(known), encodes_text(known)] == [True, False]

    def test_encodes_as_it_does_when_it_is_loaded(self) -> None:
        pixels, outputs = faces(3, 32), ("pooled", "tokens")
        loaded, _ = images(), images()
        known = images()
        for encoder in (known, known.with_runtime("eager"), known.with_preprocess(known.preprocess)):
            features = encoder.encode_images(pixels, outputs)
            for name, expected in loaded.encode_images(pixels, outputs).items():
                assert np.array_equal(features[name], expected)
        squashed = known.preprocess.__class__(32, mean=(0.0, 0.0, 0.0))
        assert np.array_equal(
            known.with_preprocess(squashed).encode_images(pixels)["pooled"],
            loaded.with_preprocess(squashed).encode_images(pixels)["pooled"],
        )
        assert known.runtime == known.reference().runtime == "eager"

    def test_takes_a_batch_while_it_computes_the_last_one_where_the_loaded_one_does(self) -> None:
        images()
        known = images().with_runtime("openvino")
        assert starts_images(known)
        assert known.start_images(faces(2, 32)) is None  # the first batch is checked
        expected = known.encode_images(faces(2, 32))["pooled"]
        result = known.start_images(faces(2, 32))
        assert result is not None
        assert np.array_equal(result()["pooled"], expected)

    def test_of_sentences_is_described_and_encodes_as_it_does_when_it_is_loaded(self) -> None:
        loaded, known = (known_text_encoder(SPEC, "cpu", silent) for _ in range(2))
        assert isinstance(known, DescribedTextEncoder)
        assert encodes_text(loaded)
        assert (known.identity, known.text_identity) == (loaded.identity, loaded.text_identity)
        sentences = ["a happy face", "a face"]
        assert np.array_equal(known.encode_text(sentences), loaded.encode_text(sentences))

    def test_that_reads_no_sentences_is_known_as_such(self) -> None:
        import timm
        from safetensors.torch import save_file

        save_file(timm.create_model("test_vit", num_classes=0).state_dict(), "vit.safetensors")
        spec = EncoderSpec.parse("timm:test_vit.r160_in1k@vit.safetensors")
        loaded, known = (known_text_encoder(spec, "cpu", silent) for _ in range(2))
        assert type(known) is DescribedEncoder
        assert not encodes_text(loaded)
        assert not encodes_text(known)
        assert not is_known(spec)
        assert is_known(spec)

    @pytest.mark.parametrize("mistake", [{"device": "cuda:99"}, {"runtime": "fast"}])
    def test_is_refused_for_what_loading_it_is_refused_for(self, mistake: dict[str, str]) -> None:
        images()
        with pytest.raises(EncoderError):
            known_image_encoder(SPEC, **{"device": "cpu", "runtime": "eager", "on_progress": silent, **mistake})  # type: ignore[arg-type]

    def test_is_refused_where_the_environment_changes_arithmetic(self, monkeypatch: pytest.MonkeyPatch) -> None:
        images()
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
        with pytest.raises(EncoderError, match="NVIDIA_TF32_OVERRIDE"):
            images()


def other_weights() -> None:
    shutil.rmtree("weights")
    write_clip_folder(Path("weights"), seed=1)


def linked_to_other_weights() -> None:
    Path("weights").rename("first")
    write_clip_folder(Path("second"), seed=1)
    Path("weights").symlink_to("first")
    assert is_known()  # by its content, whatever way leads there
    Path("weights").unlink()
    Path("weights").symlink_to("second")


def file_linked_to_other_weights() -> None:
    write_clip_folder(Path("second"), seed=1)
    weights = Path("weights/open_clip_model.safetensors")
    weights.unlink()
    weights.symlink_to(Path("second/open_clip_model.safetensors").absolute())


def edited_weights_of_equal_size_and_time() -> None:
    weights = Path("weights/open_clip_model.safetensors")
    times, content = weights.stat(), bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))


def edited_config() -> None:
    path = Path("weights/open_clip_config.json")
    path.write_text(path.read_text().replace("0.4", "0.45"))


def added_vocabulary() -> None:
    Path("weights/vocab.json").write_text("{}")


def other_library() -> None:
    origin = json.loads(record_of().read_text())["origin"]
    origin["versions"]["timm"] = "0.0.1"
    forge(origin=origin)


def other_code() -> None:
    origin = json.loads(record_of().read_text())["origin"]
    forge(origin=origin | {"code": "0" * 64})


@pytest.mark.parametrize(
    "change",
    [
        other_weights,
        linked_to_other_weights,
        file_linked_to_other_weights,
        edited_weights_of_equal_size_and_time,
        edited_config,
        added_vocabulary,
        other_library,
        other_code,
    ],
    ids=lambda change: change.__name__,
)
def test_whatever_changed_has_the_encoder_loaded_and_recorded_again(change: Callable[[], None]) -> None:
    images()
    assert is_known()
    change()
    loaded = images()
    assert not isinstance(loaded, DescribedImageEncoder)
    known = images()
    assert isinstance(known, DescribedImageEncoder)
    now = load_encoder(SPEC, "cpu", "eager")
    assert encodes_images(now)
    assert known.identity == now.identity
    assert known.preprocess == now.preprocess


def test_weights_that_go_before_the_recorded_ones_are_not_overlooked() -> None:
    shutil.rmtree("weights")
    write_clip_folder(Path("weights"), seed=0, name="open_clip_pytorch_model.safetensors")
    assert not is_known()
    assert is_known()
    write_clip_folder(Path("second"), seed=1)
    shutil.move("second/open_clip_model.safetensors", "weights")
    assert not is_known()


def test_weights_that_are_gone_are_reported() -> None:
    images()
    shutil.rmtree("weights")
    with pytest.raises(PipelineError, match="no architecture 'tiny'"):
        images()


@pytest.mark.parametrize("name", ["untrained", "mine.py:Mine", "mine.py:Mine@weights/open_clip_model.safetensors"])
def test_what_files_do_not_define_is_always_loaded(name: str) -> None:
    Path("mine.py").write_text(MINE)
    allow(spec := EncoderSpec.parse(name))
    assert not is_known(spec)
    assert not is_known(spec)
    assert not record_of(spec).exists()


def _removed(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


class TestARecord:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda path: path.write_bytes(path.read_bytes()[:-20]),
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(b"\xff\x00"),
            lambda path: path.write_text("[" * 100_000),
            lambda path: path.write_text("null"),
            lambda path: path.write_text(path.read_text().replace('"size":32', '"size":64')),
            _removed,
            _fifo,
        ],
        ids=["cut", "empty", "bytes", "nested", "null", "edited", "folder", "fifo"],
    )
    def test_that_is_damaged_is_not_used(self, damage: Callable[[Path], Any]) -> None:
        images()
        damage(record_of())
        assert not is_known()

    @pytest.mark.parametrize(
        "changes",
        [
            {"identity": {"family": "open_clip", "architecture": "tiny", "weights": "0" * 64}},
            {"identity": {}},
            {"row_shapes": {}},
            {"row_shapes": {"pooled": []}},
            {"row_shapes": {"pooled": [-1]}},
            {"row_shapes": {"pooled": ["24"]}},
            {"preprocess": None},
            {"preprocess": {"size": 0}},
            {"preprocess": {"size": 32, "resize": "padded"}},
            {"trained_on": "sample"},
            {"version": 2},
            {"more": 1},
            {"origin": {}},
        ],
        ids=str,
    )
    def test_that_is_forged_is_not_used(self, changes: dict[str, Any]) -> None:
        images()
        forge(**changes)
        assert not is_known()

    def test_of_another_encoder_is_not_used(self) -> None:
        write_clip_folder(Path("second"), seed=1)
        second = EncoderSpec.parse("open_clip:tiny@second")
        images(second)
        shutil.copy(record_of(second), record_of())
        assert not is_known()

    def test_that_a_loaded_encoder_contradicts_is_reported_and_removed(self) -> None:
        images()
        forge(row_shapes={"pooled": [25], "tokens": [17, 64]})
        known = images()
        assert known.width == 25
        with pytest.raises(StageError, match=re.escape(f"is not the one that {record_of()} describes")):
            known.encode_images(faces(1, 32))
        assert not record_of().exists()
        assert not is_known()

    @pytest.mark.parametrize("home", ["/proc", "/dev/null"])
    def test_that_cannot_be_written_is_none(self, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", home)
        assert not is_known()
        assert not is_known()


NOTHING_TO_DO = """
import sys
from stages.cli import run
assert run(sys.argv[1:]) == 0
print([name for name in ("torch", "open_clip", "timm", "transformers", "torchvision", "cv2") if name in sys.modules])
"""


def test_commands_with_nothing_to_do_import_no_torch(fer_stage: Callable[..., Any]) -> None:
    fer_stage("draw", "--style", "sample-a", "--images", "60")
    for command in (["extract", "--dataset", "sample-a"], ["encode-text"], ["index", "--dataset", "sample-a"]):
        fer_stage(*command)
        again = [sys.executable, "-c", NOTHING_TO_DO, *command]
        done = subprocess.run(again, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "[]", command
