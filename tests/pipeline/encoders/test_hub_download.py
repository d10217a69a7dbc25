"""Weights from the hub: whole or not at all, and every way in which a download fails is named with what to do."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from encoder_models import SOON_S
from hub_server import COMMIT, Failure, HubServer, hub_of_this_process
from huggingface_hub import constants

from pipeline.encoders import EncoderSpec
from pipeline.encoders.hub import fetch, fetch_repository
from pipeline.errors import EncoderError
from pipeline.progress import Progress

SPEC = EncoderSpec.parse("open_clip:ViT-B-32-quickgelu/openai")
REPOSITORY = "owner/clip"
SAFE, OLD = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
PRETRAINED = {"hf_hub": f"{REPOSITORY}/"}
MB = 1_000_000
WHOLE = (REPOSITORY, SAFE)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub of this test's own, with one repository, and an empty cache."""
    path = tmp_path / SAFE
    path.write_bytes(np.random.default_rng(0).bytes(25 * MB))  # the client resumes in steps of 10 MiB
    with hub_of_this_process(tmp_path, monkeypatch) as server:
        server.files[WHOLE] = path
        yield server
    shutil.rmtree(tmp_path)


def files_in_cache() -> list[Path]:
    """Weights, whole or in part, that a later command could take for the real ones."""
    found = Path(constants.HF_HUB_CACHE).glob("models--*/*/**/*")
    return [path for path in found if (path.is_file() or path.is_symlink()) and path.parent.name != "refs"]


def refused(match: str, soon_s: float = 2 * SOON_S) -> None:
    """`fetch` fails with that message, soon, and nothing stays behind. The client's own patience would be minutes."""
    start = time.monotonic()
    with pytest.raises(EncoderError, match=match) as caught:
        fetch(SPEC, PRETRAINED)
    assert time.monotonic() - start < soon_s
    for part in (str(SPEC), REPOSITORY, SAFE, "open_clip:ViT-B-32-quickgelu@FILE"):
        assert part in str(caught.value)
    assert files_in_cache() == []


class TestDownloaded:
    def test_weights_are_those_of_the_hub_and_are_asked_for_once(self, hub: HubServer) -> None:
        path = fetch(SPEC, PRETRAINED)
        assert path.read_bytes() == hub.files[WHOLE].read_bytes()
        n = len(hub.requests)
        assert fetch(SPEC, PRETRAINED) == path
        assert len(hub.requests) == n  # what is cached is used without a question

    def test_the_old_kind_is_taken_only_where_the_repository_has_no_safetensors(self, hub: HubServer) -> None:
        hub.files[REPOSITORY, OLD] = hub.files.pop(WHOLE)
        assert fetch(SPEC, PRETRAINED).name == OLD

    def test_a_mirror_that_answers_404_without_the_hubs_headers_lacks_the_file(self, hub: HubServer) -> None:
        hub.files[REPOSITORY, OLD] = hub.files[WHOLE]
        hub.failures[WHOLE] = Failure(status=404)
        assert fetch(SPEC, PRETRAINED).name == OLD

    def test_a_failed_download_of_safetensors_is_not_replaced_by_the_old_kind(self, hub: HubServer) -> None:
        """Other weights would be another encoder: its stores would be of another key."""
        hub.files[REPOSITORY, OLD] = hub.files[WHOLE]
        hub.failures[WHOLE] = Failure(status=500)
        refused("HTTP 500")
        assert not any(OLD in request.path for request in hub.requests)

    def test_what_comes_is_reported_in_megabytes(self, hub: HubServer) -> None:
        steps: list[Progress] = []
        fetch(SPEC, PRETRAINED, steps.append)
        assert steps[0].note.startswith(f"downloading {SAFE} (25 MB) of {REPOSITORY} into ")
        assert [(step.done, step.total) for step in steps[1:]] == [(10, 25), (20, 25), (25, 25)]
        assert {step.what for step in steps[1:]} == {f"MB of {SAFE}"}


class TestABrokenConnection:
    def test_that_ends_is_resumed_where_it_broke(self, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(end_after=22 * MB, times=1)
        assert fetch(SPEC, PRETRAINED).read_bytes() == hub.files[WHOLE].read_bytes()
        assert [request.start for request in hub.gets()] == [0, 2 * constants.DOWNLOAD_CHUNK_SIZE]

    def test_that_is_reset_is_tried_again(self, hub: HubServer) -> None:
        """The hub's client resumes after an end, not after a reset, and discards what it has received."""
        hub.failures[WHOLE] = Failure(reset_after=12 * MB, times=1)
        notes: list[Progress] = []
        assert fetch(SPEC, PRETRAINED, notes.append).read_bytes() == hub.files[WHOLE].read_bytes()
        assert any("trying again" in step.note for step in notes)

    def test_that_is_always_reset_is_an_error(self, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(reset_after=1 * MB)
        refused(r"\(3 attempts\)\. Check the connection")


class TestAWrongFile:
    def test_that_is_shorter_on_the_server_is_an_error_and_the_next_try_works(self, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(truncated=20 * MB, times=1)
        refused("should be of size 25000000 but has size 20000000")
        assert fetch(SPEC, PRETRAINED).read_bytes() == hub.files[WHOLE].read_bytes()

    def test_that_was_altered_on_its_way_is_an_error_and_the_next_try_works(self, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(altered=True, times=1)
        right = hub.digest(hub.files[WHOLE])
        with pytest.raises(
            EncoderError, match=rf"{SAFE}: expected .*sha256 {right[:12]}.* found 25,000,000 bytes .*has been removed"
        ):
            fetch(SPEC, PRETRAINED)
        assert files_in_cache() == []
        assert hashlib.sha256(fetch(SPEC, PRETRAINED).read_bytes()).hexdigest() == right

    def test_that_was_damaged_in_the_cache_is_an_error_also_without_a_network(
        self, hub: HubServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = fetch(SPEC, PRETRAINED)
        with path.open("r+b") as file:
            file.write(b"damaged")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(EncoderError, match=r"expected the file with sha256 .* found .*run the command again"):
            fetch(SPEC, PRETRAINED)
        assert files_in_cache() == []
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        assert fetch(SPEC, PRETRAINED).read_bytes() == hub.files[WHOLE].read_bytes()

    def test_in_a_cache_without_links_is_compared_as_well(
        self, hub: HubServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
        hub.failures[WHOLE] = Failure(altered=True, times=1)
        with pytest.raises(EncoderError, match="has been removed"):
            fetch(SPEC, PRETRAINED)
        assert fetch(SPEC, PRETRAINED).read_bytes() == hub.files[WHOLE].read_bytes()


class TestARefusal:
    def test_of_an_unknown_repository_advises_a_login(self, hub: HubServer) -> None:
        hub.files.clear()
        refused(r"no such repository, or none that this login may see \(HTTP 401\).*hf auth login.* HF_TOKEN")

    @pytest.mark.parametrize("status", [401, 403])
    def test_of_a_gated_repository_says_how_to_get_access(self, status: int, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(status=status, code="GatedRepo")
        refused(rf"access is restricted \(HTTP {status}\)\. Ask for access .*hf auth login")

    def test_of_an_old_token_advises_a_login(self, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(status=401)
        refused(r"HTTP 401.*hf auth login")

    def test_of_files_that_the_repository_lacks_names_them(self, hub: HubServer) -> None:
        hub.files = {(REPOSITORY, "other.txt"): hub.files[WHOLE]}
        with pytest.raises(EncoderError, match=rf"has no {SAFE} and no {OLD} \(HTTP 404\)"):
            fetch(SPEC, PRETRAINED)

    @pytest.mark.parametrize("status", [429, 503])
    def test_of_a_busy_server_is_tried_again_and_then_named(self, status: int, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(status=status)
        refused(rf"the server answers HTTP {status} \(3 attempts\)\. Try again later")

    def test_of_a_busy_server_for_a_moment_is_overcome(self, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(status=503, times=1)
        assert fetch(SPEC, PRETRAINED).stat().st_size == 25 * MB

    def test_by_what_is_no_hub_advises_to_check_the_endpoint(self, hub: HubServer) -> None:
        hub.failures[WHOLE] = Failure(status=200)
        refused(r"what answers there is not a hub\. Check HF_ENDPOINT")


class TestNoAnswer:
    def test_of_a_closed_port_is_an_error_soon(self, hub: HubServer) -> None:
        hub.shutdown()
        hub.server_close()
        refused(r"ConnectError: .*refused \(3 attempts\)\. Check the connection")

    def test_of_a_silent_server_is_an_error_after_the_hubs_timeout(
        self, hub: HubServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
        hub.failures[WHOLE] = Failure(silent=True)
        refused(r"no answer in time \(3 attempts\)\. Try again; HF_HUB_ETAG_TIMEOUT")

    def test_is_asked_for_where_the_hub_is_switched_off(self, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        refused(rf"HF_HUB_OFFLINE is set, and {REPOSITORY} is not in .*Unset it to download", soon_s=SOON_S)
        assert not any("/resolve/" in request.path for request in hub.requests)


def test_a_cache_that_has_no_room_is_an_error_before_the_download(hub: HubServer) -> None:
    path = hub.files[WHOLE]
    free = shutil.disk_usage(path).free
    with path.open("r+b") as file:
        file.truncate(free + 10**12)  # a hole: it needs no room itself
    hub.digests[path] = "0" * 64
    refused(r"MB needed in .*MB free\. Free space, or name a folder on another disk by HF_HUB_CACHE")
    assert hub.gets() == []


@pytest.fixture
def room_for_10_mb() -> Iterator[None]:
    """No file of this process may grow beyond it: the system refuses to write, as it does when a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 * MB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_becomes_full_on_the_way_is_an_error_and_leaves_nothing(
    hub: HubServer, room_for_10_mb: None
) -> None:
    refused(r"File too large in .*Free space, or name a folder on another disk by HF_HUB_CACHE")


def wait_until_both_ask(hub: HubServer) -> None:
    """While the line is slow, so that one downloads when the other asks; then it is fast."""
    end = time.monotonic() + 60
    while sum(request.method == "HEAD" for request in hub.requests) < 4:  # two for each
        assert time.monotonic() < end, hub.requests
        time.sleep(0.01)
    hub.bytes_per_s = 0


def test_two_processes_get_the_whole_file_and_download_it_once(hub: HubServer, tmp_path: Path) -> None:
    hub.bytes_per_s = MB // 2
    program = (
        "from pipeline.encoders import EncoderSpec; from pipeline.encoders.hub import fetch; "
        f"print(fetch(EncoderSpec.parse({str(SPEC)!r}), {PRETRAINED!r}))"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    started = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    wait_until_both_ask(hub)
    paths = {Path(process.communicate(timeout=120)[0].strip()) for process in started}
    assert [process.returncode for process in started] == [0, 0]
    assert [path.read_bytes() == hub.files[WHOLE].read_bytes() for path in paths] == [True]
    assert len(hub.gets()) == 1


def test_two_threads_get_the_whole_file_and_download_it_once(hub: HubServer) -> None:
    hub.bytes_per_s = MB // 2
    paths: list[Path] = []
    threads = [Thread(target=lambda: paths.append(fetch(SPEC, PRETRAINED))) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until_both_ask(hub)
    for thread in threads:
        thread.join()
    assert [path.read_bytes() == hub.files[WHOLE].read_bytes() for path in paths] == [True, True]
    assert len(hub.gets()) == 1


class TestARepositoryOfTransformers:
    SPEC = EncoderSpec.parse("transformers:blip/owner/blip")
    NAMES = ("config.json", "tokenizer.json", "vocab.txt")
    WEIGHTS = ("model.safetensors", "pytorch_model.bin")

    @pytest.fixture
    def blip(self, hub: HubServer, tmp_path: Path) -> HubServer:
        for name in ("config.json", "vocab.txt", "model.safetensors"):
            path = tmp_path / name
            path.write_bytes(name.encode() * 1000)
            hub.files["owner/blip", name] = path
        return hub

    def fetched(self) -> list[str]:
        return sorted(path.name for path in fetch_repository(self.SPEC, self.NAMES, self.WEIGHTS).iterdir())

    def test_has_its_files_in_one_folder(self, blip: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.fetched() == ["config.json", "model.safetensors", "vocab.txt"]
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert self.fetched() == ["config.json", "model.safetensors", "vocab.txt"]

    def test_whose_weights_were_altered_is_an_error(self, blip: HubServer) -> None:
        blip.failures["owner/blip", "model.safetensors"] = Failure(altered=True, times=1)
        with pytest.raises(EncoderError, match=r"model\.safetensors: expected .*has been removed"):
            self.fetched()
        assert "model.safetensors" in self.fetched()

    def test_that_is_gated_says_how_to_get_access(self, blip: HubServer) -> None:
        blip.failures["owner/blip", "config.json"] = Failure(status=403, code="GatedRepo")
        start = time.monotonic()
        with pytest.raises(EncoderError, match=r"access is restricted .*transformers:blip@DIR"):
            self.fetched()
        assert time.monotonic() - start < SOON_S


def test_the_snapshot_is_named_by_the_hubs_commit(hub: HubServer) -> None:
    assert re.search(rf"snapshots/{COMMIT}/{SAFE}$", str(fetch(SPEC, PRETRAINED)))
