"""The page by http, for this machine only.

It listens on 127.0.0.1. An address without the random token, or a request that names another host (a page elsewhere
whose name was pointed at this machine), gets nothing.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cache.errors import CacheError
from pipeline.errors import PipelineError
from stages.errors import StageError
from stages.workflows.browse_page import BrowsePage, policy

__all__ = ["serving"]

HOST = "127.0.0.1"
_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"
_HEADERS = {
    "Content-Security-Policy": f"{policy(is_live=True)}; frame-ancestors 'none'",
    "Cache-Control": "no-store",  # no face stays in the browser's cache
    "Referrer-Policy": "no-referrer",  # no link gives the token away
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@contextmanager
def serving(page: BrowsePage, port: int = 0) -> Iterator[str]:
    """Serve a page until the block ends; its address, with the token.

    Parameters
    ----------
    port : 0 for any that is free

    Raises
    ------
    StageError
        If the port is taken.
    """
    try:
        server = _Server(page, port)
    except OSError as error:
        raise StageError(
            f"--port {port}: expected a free port of {HOST}, found: {error.strerror}. Name another one, or 0 for any"
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/{server.token}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a browser keeps connections open
    request_queue_size = 64

    def __init__(self, page: BrowsePage, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.page, self.token = page, secrets.token_urlsafe(24)
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes a connection is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fer-stage", ""
    timeout = 60

    def do_GET(self) -> None:
        """Answer with a file of the page, or with the units that meet a condition."""
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.hosts]:
            return self._send(HTTPStatus.FORBIDDEN, _TEXT, b"another host was expected")
        url = urlsplit(self.path)
        token, _, name = url.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()) or not url.path.startswith(f"/{token}/"):
            return self._send(HTTPStatus.NOT_FOUND, _TEXT, b"nothing here: use the address that fer-stage printed")
        try:
            file = self._where(url.query) if name == "where" else self.server.page.file(name)
        except (PipelineError, CacheError, StageError, OSError) as error:
            return self._send(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, str(error).encode())
        if file is None:
            return self._send(HTTPStatus.NOT_FOUND, _TEXT, b"no such file")
        return self._send(HTTPStatus.OK, *file)

    def _where(self, query: str) -> tuple[str, bytes] | None:
        fields = parse_qs(query)
        try:
            number, run = int(fields["map"][0]), int(fields["run"][0])
            text = fields["q"][0]
        except (KeyError, ValueError):
            return None
        page = self.server.page
        if not (0 <= number < len(page.maps) and -1 <= run < len(page.runs)):
            return None
        if run >= 0 and page.runs[run].map != number:
            return None
        return _JSON, json.dumps(page.where(number, run, text)).encode()

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **_HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: addresses hold the token."""
