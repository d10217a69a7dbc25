"""`--encoder open_clip:ARCH/TAG`, as README writes it: weights come from a hub, here one on the loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from encoder_models import SOON_S, write_clip_weights
from hub_server import Failure, HubServer, hub_of_this_process
from separate_process import run

from stages.cli import run as main

NAME = "open_clip:ViT-B-32-quickgelu/openai"
REPOSITORY, FILE = "timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors"
MB = 1_000_000
PARAMS = "sample: {images: 60}\ndatasets:\n  sample-a: {layout: sample, root: data/sample-a}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    shutil.rmtree(tmp_path)  # pytest keeps folders for a while, and these are large


@pytest.fixture
def noise(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub whose file of weights is none, for commands that end before they would read it."""
    (project / "noise").write_bytes(os.urandom(25 * MB))
    with hub_of_this_process(project, monkeypatch) as server:
        server.files[REPOSITORY, FILE] = project / "noise"
        yield server


@contextmanager
def stderr_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What this process shows on stderr, which is a terminal of 120 columns."""
    ours, theirs = os.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 65536):
                shown.append(part)
        except OSError:  # how Linux says that the other end is closed
            return

    reader = Thread(target=read)
    reader.start()
    with monkeypatch.context() as patch, os.fdopen(theirs, "w") as terminal:
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "120")
        patch.setattr(sys, "stderr", terminal)
        yield shown
    reader.join()
    os.close(ours)


@pytest.mark.slow
class TestTheHeadline:
    def test_command_downloads_once_over_a_broken_line_and_works_without_a_network_afterwards(
        self, project: Path
    ) -> None:
        """The real architecture from a process of its own, as a user has it: 300 MB, torch started four times."""
        write_clip_weights(project / "weights")
        extract = ("extract", "--dataset", "sample-a", "--limit", "8", "--encoder", NAME, "--format", "json")
        environment = {"HF_HOME": str(project / "home")}
        with HubServer.started() as hub:
            hub.files[REPOSITORY, FILE] = project / "weights"
            hub.failures[REPOSITORY, FILE] = Failure(end_after=150 * MB, times=1)
            first = run(project, *extract, env={**environment, "HF_ENDPOINT": hub.endpoint})
            assert [request.start > 0 for request in hub.gets()] == [False, True]
            weights = hub.digest(project / "weights")
        offline = {**environment, "HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "1"}
        again = run(project, *extract, "--features", "other", env=offline)
        assert (first["encoded"], again["encoded"], again["key"]) == (8, 8, first["key"])
        text = run(project, "encode-text", "--encoder", NAME, "--prompts", "clip", "--format", "json", env=environment)
        assert text["templates"] == 1
        described = run(project, "store", "info", first["path"], "--format", "json", env=offline)
        assert weights in json.dumps(described)


class TestADownload:
    def test_is_announced_with_its_size(self, noise: HubServer, fer_stage: Callable[..., Any]) -> None:
        text = fer_stage("encode-text", "--encoder", NAME, code=1)
        assert f"note: downloading {FILE} (25 MB) of {REPOSITORY} into {Path.cwd() / 'hub'}" in text.replace("\n", "")

    def test_is_not_announced_where_no_progress_is_wanted(
        self, noise: HubServer, fer_stage: Callable[..., Any]
    ) -> None:
        assert "downloading" not in fer_stage("encode-text", "--encoder", NAME, "--quiet", code=1)

    def test_shows_megabytes_and_the_time_left_on_a_terminal(
        self, noise: HubServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noise.bytes_per_s = 7 * MB  # what is over within two seconds draws nothing
        with stderr_on_a_terminal(monkeypatch) as shown:
            assert main(["encode-text", "--encoder", NAME]) == 1  # what came are no weights
        text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", b"".join(shown).decode())
        assert re.search(rf"MB of {FILE} .* 20/25 \d.*/s 0:00:0\d", text)

    def test_that_is_refused_is_a_known_error_that_says_what_to_do(
        self, noise: HubServer, fer_stage: Callable[..., Any]
    ) -> None:
        noise.failures[REPOSITORY, FILE] = Failure(status=403, code="GatedRepo")
        start = time.monotonic()
        message = fer_stage("encode-text", "--encoder", NAME, code=1)
        assert time.monotonic() - start < SOON_S
        assert message.startswith("error: ")
        for part in (REPOSITORY, FILE, "HTTP 403", "hf auth login", "HF_TOKEN", "open_clip:ViT-B-32-quickgelu@FILE"):
            assert part in message
