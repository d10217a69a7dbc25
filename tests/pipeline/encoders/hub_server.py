"""A hub on the loopback: it serves files as the hub's client asks for them, and fails in the ways that real ones do."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import close_session, constants

__all__ = ["COMMIT", "Failure", "HubServer", "Request", "hub_of_this_process"]

COMMIT = "c0ffee" + "0" * 34
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Request:
    """What a client asked for: HEAD or GET, the path, and the first byte of its range (0 without one)."""

    method: str
    path: str
    start: int


@dataclass
class Failure:
    """What goes wrong with the files whose names it is set for.

    Parameters
    ----------
    status : answer with this HTTP status and nothing else, unless 0
    code : the hub's own name of the error, as RepoNotFound, EntryNotFound, GatedRepo
    end_after, reset_after : bytes of the file after which the connection ends properly, or is reset
    truncated : the file itself is this long on the server, while its metadata give the whole length
    altered : another byte comes in the middle
    silent : nothing is answered
    times : how many GETs it concerns (HEADs too if it is a status or silence); then all is well
    """

    status: int = 0
    code: str = ""
    end_after: int = 0
    reset_after: int = 0
    truncated: int = 0
    altered: bool = False
    silent: bool = False
    times: int = 1_000_000
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.times

    @property
    def concerns_metadata(self) -> bool:
        return bool(self.status) or self.silent

    def happens(self) -> bool:
        self.left -= 1
        return self.left >= 0


class HubServer(ThreadingHTTPServer):
    """Repositories of files on 127.0.0.1. Start it with `HubServer.started()`.

    Parameters
    ----------
    files : (repository, name) -> the file that is served
    failures : (repository, name) -> what goes wrong with it
    requests : all that came, in order
    bytes_per_s : a slow line, unless 0
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[tuple[str, str], Path] = {}
        self.failures: dict[tuple[str, str], Failure] = {}
        self.requests: list[Request] = []
        self.bytes_per_s = 0
        self.closing = threading.Event()
        self.digests: dict[Path, str] = {}

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[HubServer]:
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            try:
                yield server
            finally:
                server.closing.set()
                server.shutdown()
                thread.join()

    def shutdown_request(self, request: Any) -> None:
        """Close at once: the orderly end that would come first is not what a client sees of a reset."""
        self.close_request(request)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def gets(self) -> list[Request]:
        """The requests for the bytes of a file."""
        return [request for request in self.requests if request.method == "GET" and "/resolve/" in request.path]

    def digest(self, path: Path) -> str:
        if path not in self.digests:
            with path.open("rb") as file:
                self.digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return self.digests[path]


@contextmanager
def hub_of_this_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub that the client in this process uses from now on, with an empty cache below `folder` and no token."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with HubServer.started() as server:
        address = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
        yield server
    close_session()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # a connection that a test has left open
    server: HubServer

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are kept in `HubServer.requests`."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.server.requests.append(Request(self.command, self.path, start))
        if self.path.startswith("/api/models/"):
            self._describe(self.path.removeprefix("/api/models/").partition("?")[0])
            return
        repository, _, rest = self.path.lstrip("/").partition("/resolve/")
        name = rest.partition("/")[2]
        failure = self.server.failures.get((repository, name), Failure())
        concerned = self.command == "GET" or failure.concerns_metadata
        if not concerned or not failure.happens():
            failure = Failure()
        if failure.silent:
            self.server.closing.wait(30)
            self.close_connection = True
        elif failure.status:
            self._refuse(failure.status, failure.code)
        elif not any(repository == known for known, _ in self.server.files):
            self._refuse(401, "RepoNotFound")  # without a token, private and missing ones look alike
        elif (repository, name) not in self.server.files:
            self._refuse(404, "EntryNotFound")
        else:
            self._send(self.server.files[repository, name], start, failure)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, path: Path, start: int, failure: Failure) -> None:
        size = path.stat().st_size
        end = min(failure.truncated or size, size)
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{self.server.digest(path)}"')
        self.send_header("X-Linked-Etag", f'"{self.server.digest(path)}"')
        self.send_header("X-Linked-Size", str(size))
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.command == "GET":
            self._write(path, start, end, failure)

    def _write(self, path: Path, start: int, end: int, failure: Failure) -> None:
        stop = min(failure.end_after or failure.reset_after or end, end)
        try:
            with path.open("rb") as file:
                file.seek(start)
                while (at := file.tell()) < stop:
                    chunk = bytearray(file.read(min(_CHUNK, stop - at)))
                    if failure.altered and at <= end // 2 < at + len(chunk):
                        chunk[end // 2 - at] ^= 1
                    self.wfile.write(chunk)
                    if self.server.bytes_per_s:
                        time.sleep(len(chunk) / self.server.bytes_per_s)
        except (ConnectionError, TimeoutError):  # the client is gone
            self.close_connection = True
            return
        if stop < end:
            self.close_connection = True
            if failure.reset_after:  # a socket that lingers for 0 s is reset when it is closed
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _describe(self, path: str) -> None:
        """What a snapshot asks first: commit and names of a repository."""
        repository = path.partition("/revision/")[0].partition("/tree/")[0]
        names = [name for known, name in self.server.files if known == repository]
        if not names:
            self._refuse(401, "RepoNotFound")
            return
        if "/tree/" in path:
            listed: Any = [self._listed(repository, name) for name in names]
        else:
            listed = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
        body = json.dumps(listed).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _listed(self, repository: str, name: str) -> dict[str, Any]:
        path = self.server.files[repository, name]
        return {"type": "file", "path": name, "size": path.stat().st_size, "oid": self.server.digest(path)[:40]}
