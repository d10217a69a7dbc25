"""A network that can fail: a port before a server, which a test shuts at the moment of its choice."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Gate"]

T = TypeVar("T")

_HOST = "127.0.0.1"
_REQUEST = re.compile(rb"(GET|PUT|POST|HEAD|DELETE) \S+ HTTP/1\.1\r\n")


class Gate:
    """A TCP port in front of another one. While it is shut every connection is cut at once.

    `n_requests` counts what came through since it was opened or set to shut.
    """

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._clients: set[asyncio.StreamWriter] = set()
        self._is_shut, self._last, self.n_requests = False, -1, 0
        self._server = self._do(asyncio.start_server(self._serve, _HOST, 0))
        self.port = int(self._server.sockets[0].getsockname()[1])

    def open(self) -> None:
        """Let everything through."""
        self._is_shut, self._last, self.n_requests = False, -1, 0

    def shut(self) -> None:
        """Cut the connections that are open, and each that comes."""
        self._is_shut = True
        self._do(self._cut())

    def shut_after(self, n_requests: int) -> None:
        """Let so many requests through and be shut at the next one, which the server never sees."""
        self.n_requests, self._last = 0, n_requests

    def end(self) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _cut(self) -> None:
        for client in self._clients:
            client.transport.abort()

    async def _serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        if self._is_shut:
            answer.transport.abort()
            return
        self._clients.add(answer)
        reply, server = await asyncio.open_connection(_HOST, self._behind)
        try:
            await asyncio.gather(self._forward(client, server), _pass_on(reply, answer))
        except ConnectionError:
            pass  # cut by `shut`, or by a client that went away
        finally:
            self._clients.discard(answer)
            for end in (server, answer):
                end.close()

    async def _forward(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await client.read(2**16):
            if _REQUEST.match(data):
                if self.n_requests == self._last:
                    self._is_shut = True
                    await self._cut()
                    raise ConnectionAbortedError
                self.n_requests += 1
            server.write(data)
            await server.drain()
        server.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(2**16):
        target.write(data)
        await target.drain()
    target.close()
