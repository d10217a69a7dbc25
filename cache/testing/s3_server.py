"""A real S3 server in a process of its own, behind a gate that a test can shut; and the objects of its bucket.

Needs moto and the extra `s3`: nothing else of the contract does.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import botocore.session
import pytest
from s3fs import S3FileSystem
from zarr.core.sync import _get_loop

from cache.places import AnyPath
from cache.testing.gate import Gate
from cache.testing.raw import Blobs

__all__ = ["S3Blobs", "S3Server"]

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket, behind `gate`."""

    port: int
    gate: Gate
    bucket: str = "features-of-faces"

    @property
    def past_the_gate(self) -> str:
        """The endpoint of the server itself, for tests that never stop it."""
        return f"http://{_HOST}:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What a client finds in its environment; it tries once, as waiting for a stopped server takes long."""
        return {
            "AWS_ENDPOINT_URL": f"http://{_HOST}:{self.gate.port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @contextmanager
    def environment(self, **changes: str) -> Iterator[None]:
        """Clients made in the block talk to this server; those made before or after do not."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.variables, **changes}.items():
                patch.setenv(name, value)
            patch.setattr(S3FileSystem, "retries", 1)
            _close_clients()
            try:
                yield
            finally:
                _close_clients()

    @contextmanager
    def asking_for_rights(self) -> Iterator[None]:
        """Refuse every key that is of no user of the server; there are none."""
        self._set_free_requests("0")
        try:
            yield
        finally:
            self._set_free_requests("inf")

    def _set_free_requests(self, count: str) -> None:
        url = f"{self.past_the_gate}/moto-api/reset-auth"
        request = urllib.request.Request(url, count.encode(), {"Content-Type": "text/plain"}, method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def make_bucket(self) -> None:
        with self.environment():
            client = botocore.session.get_session().create_client("s3")
            client.create_bucket(Bucket=self.bucket)
            client.close()

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[S3Server]:
        """A server on a free port of this machine, until the block ends."""
        port = _free_port()
        command = [sys.executable, "-m", "moto.server", "-H", _HOST, "-p", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                _wait_for(port, process)
                server = cls(port, Gate(port))
                server.make_bucket()
                yield server
                server.gate.end()
            finally:
                process.kill()


def _close_clients() -> None:
    """s3fs leaves that to the end of the process, where each client that is still open is a warning."""
    for client in S3FileSystem._cache.values():
        if client._s3 is not None:
            loop = _get_loop() if client.asynchronous else client.loop  # zarr runs the former in a loop of its own
            asyncio.run_coroutine_threadsafe(client._s3.close(), loop).result(timeout=30)
    S3FileSystem.clear_instance_cache()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((_HOST, port)).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("moto_server does not start") from error
            time.sleep(0.02)
        else:
            return


class S3Blobs(Blobs):
    """Objects of a bucket, through botocore's plain client: no fsspec, nothing remembered."""

    def names(self, top: AnyPath) -> list[str]:
        bucket, key = _bucket_and_key(str(top))
        pages = _s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return sorted(f"s3://{bucket}/{name}" for name in keys if f"{name}/".startswith(f"{key}/"))

    def read(self, name: str) -> bytes:
        bucket, key = _bucket_and_key(name)
        with _s3_client().get_object(Bucket=bucket, Key=key)["Body"] as body:
            return bytes(body.read())

    def write(self, name: str, data: bytes) -> None:
        bucket, key = _bucket_and_key(name)
        _s3_client().put_object(Bucket=bucket, Key=key, Body=data)

    def delete(self, name: str) -> None:
        bucket, key = _bucket_and_key(name)
        _s3_client().delete_object(Bucket=bucket, Key=key)


def _s3_client() -> Any:
    return _client_of(os.environ["AWS_ENDPOINT_URL"])


@lru_cache
def _client_of(endpoint: str) -> Any:
    return botocore.session.get_session().create_client("s3", endpoint_url=endpoint)


def _bucket_and_key(name: str) -> tuple[str, str]:
    bucket, _slash, key = name.removeprefix("s3://").partition("/")
    return bucket, key
