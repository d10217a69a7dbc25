"""Files of weights are read, never run; what cannot be read is one kind of error, whoever reads it."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_models import MODEL, load, seeded_clip, write_clip_folder

from pipeline.encoders.file_digest import file_sha256, sha256_in_cache
from pipeline.encoders.weights import require_file, state_sha256
from pipeline.errors import EncoderError

BIN = "open_clip_pytorch_model.bin"
TIMM = "test_resnet"


class Program:
    """Unpickling it makes a folder: the trace that code has run."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def as_checkpoint(program: Program, path: Path) -> None:
    torch.save({"state_dict": {"visual.proj": torch.zeros(2)}, "epoch": program}, path)


def as_bare_pickle(program: Program, path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": program}, protocol=2))  # of torch: another one earns a warning


class TestProgramsInsideWeights:
    @pytest.mark.parametrize("write", [as_checkpoint, as_bare_pickle])
    @pytest.mark.parametrize("family", ["open_clip", "timm"])
    def test_are_refused_and_do_not_run(self, family: str, write: object, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        path = write_clip_folder(tmp_path / "clip", name=BIN)[0] / BIN if family == "open_clip" else tmp_path / "w.pth"
        write(Program(trace), path)  # type: ignore[operator]  # one of the two writers above
        name = f"open_clip:small@{path.parent}" if family == "open_clip" else f"timm:{TIMM}@{path}"
        with pytest.raises(EncoderError, match=r"cannot be loaded as weights .* nothing but tensors"):
            load(name)
        assert not trace.exists()

    def test_would_run_if_they_were_let(self, tmp_path: Path) -> None:
        """Without this, the test above would also pass for a file that does nothing."""
        trace, path = tmp_path / "trace", tmp_path / "w.pth"
        as_checkpoint(Program(trace), path)
        torch.load(path, weights_only=False)
        assert trace.is_dir()


@pytest.mark.parametrize(
    "content", [{}, [], torch.zeros(3), {"state_dict": {}}, {"state_dict": 3}, {"a": "text"}], ids=repr
)
@pytest.mark.parametrize("family", ["open_clip", "timm"])
def test_checkpoints_without_weights_are_refused(family: str, content: object, tmp_path: Path) -> None:
    path = write_clip_folder(tmp_path / "clip", name=BIN)[0] / BIN if family == "open_clip" else tmp_path / "w.pth"
    torch.save(content, path)
    with pytest.raises(EncoderError, match="cannot be loaded as weights of this architecture"):
        load(f"open_clip:small@{path.parent}" if family == "open_clip" else f"timm:{TIMM}@{path}")


class TestDigests:
    def test_of_a_file_is_what_sha256sum_prints(self, tmp_path: Path) -> None:
        data = np.random.default_rng(0).bytes(3_000_000)
        (tmp_path / "w").write_bytes(data)
        assert file_sha256(tmp_path / "w") == hashlib.sha256(data).hexdigest()

    def test_of_a_model_changes_with_a_value_and_not_with_the_object(self) -> None:
        model = seeded_clip()
        assert state_sha256(model) == state_sha256(seeded_clip())
        assert state_sha256(seeded_clip(seed=1)) != state_sha256(model)
        with torch.no_grad():
            model.visual.proj[0, 0] += 1
        assert state_sha256(model) != state_sha256(seeded_clip())

    def test_of_a_model_changes_with_a_name(self) -> None:
        one, other = torch.nn.ModuleDict({"a": torch.nn.Identity()}), torch.nn.ModuleDict({"b": torch.nn.Identity()})
        for module in (*one.values(), *other.values()):
            module.register_buffer("values", torch.zeros(2))
        assert state_sha256(one) != state_sha256(other)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
    def test_of_a_file_that_may_not_be_read_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "w").write_bytes(b"x")
        (tmp_path / "w").chmod(0)
        with pytest.raises(EncoderError, match="Check its permissions"):
            file_sha256(tmp_path / "w")


@pytest.mark.parametrize("name", ["nothing.pt", "."])
def test_a_file_that_is_none_is_named_with_the_folder_searched(name: str, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=rf"weights of x: no file at .* \(looked in .*{tmp_path.parent.name}"):
        require_file(tmp_path / name, "weights of x")


def test_the_model_of_these_tests_is_small() -> None:
    assert sum(p.numel() for p in seeded_clip(MODEL).parameters()) < 2_000_000


def bytes_read() -> int:
    """By this process so far, of whatever file."""
    text = Path("/proc/self/io").read_text()
    return int(text.split("rchar:")[1].split()[0])


def test_the_caches_name_is_that_of_the_first_link(tmp_path: Path) -> None:
    """Below it may be a store whose names look like digests and are none."""
    (tmp_path / ("b" * 64)).write_bytes(b"weights")
    (tmp_path / ("a" * 64)).symlink_to("b" * 64)
    for name, etag in (("linked", "a" * 64), ("git", "c0ffee")):
        (tmp_path / name).symlink_to(etag)
    assert sha256_in_cache(tmp_path / "linked") == "a" * 64
    assert sha256_in_cache(tmp_path / "git") == ""
    assert sha256_in_cache(tmp_path / ("b" * 64)) == ""


class TestWeightsAreReadNoMoreThanNeeded:
    pytestmark = pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts the bytes that Linux reports")

    def test_a_file_is_digested_once_in_a_process(self, tmp_path: Path) -> None:
        path = tmp_path / "weights.bin"
        path.write_bytes(bytes(4_000_000))
        time.sleep(0.1)  # a file that has just been written is digested again
        before = bytes_read()
        assert {file_sha256(path) for _ in range(5)} == {hashlib.sha256(bytes(4_000_000)).hexdigest()}
        assert bytes_read() - before < 8_000_000

    def test_a_changed_file_of_the_same_size_and_time_is_digested_again(self, tmp_path: Path) -> None:
        path = tmp_path / "weights.bin"
        path.write_bytes(b"a" * 1000)
        status = path.stat()
        time.sleep(0.1)
        first = file_sha256(path)
        path.write_bytes(b"b" * 1000)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert file_sha256(path) != first
        assert file_sha256(path) == hashlib.sha256(b"b" * 1000).hexdigest()

    @pytest.mark.parametrize(("name", "times"), [("open_clip_model.safetensors", 1.5), (BIN, 2.5)])
    def test_a_model_is_read_once_for_its_digest_and_once_for_its_tensors(
        self, name: str, times: float, tmp_path: Path
    ) -> None:
        """safetensors are mapped into memory, which Linux does not count."""
        folder, _ = write_clip_folder(tmp_path / "clip", name=name)
        size = (folder / name).stat().st_size
        load(f"open_clip:small@{folder}")  # whatever is imported or read for the first time
        os.utime(folder / name)
        before = bytes_read()
        load(f"open_clip:small@{folder}")
        assert size < bytes_read() - before < times * size
