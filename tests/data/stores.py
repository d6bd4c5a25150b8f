"""moto's S3, in a process of its own on loopback, and buckets to fill."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.clocks import wait_until

PORT = re.compile(r"Running on http://127.0.0.1:(\d+)\n")
"""What the server says when it listens, at a port that it has found free."""

KEY, SECRET = "AKIAEXAMPLE", "s3cret/with+signs%"


class Store:
    """A store, and how it is written to."""

    def __init__(self, endpoint: str, log: Path) -> None:
        import boto3

        self.endpoint = endpoint
        self._log = log
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    def put(self, bucket: str, files: dict[str, bytes]) -> None:
        if bucket not in {found["Name"] for found in self.client.list_buckets()["Buckets"]}:
            self.client.create_bucket(Bucket=bucket)
        for name, content in files.items():
            self.client.put_object(Bucket=bucket, Key=name, Body=content)

    def count_requests(self) -> int:
        """How often it was asked since it began, by whomever."""
        return len(re.findall(rb'"(?:GET|HEAD) /', self._log.read_bytes()))

    def delete(self, bucket: str, name: str) -> None:
        self.client.delete_object(Bucket=bucket, Key=name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody's credentials are good."""
        self._tell("/moto-api/reset-auth", b"0")
        try:
            yield
        finally:
            self._tell("/moto-api/reset-auth", b"inf")

    def _tell(self, path: str, body: bytes) -> None:
        plain = {"Content-Type": "text/plain"}
        with urlopen(Request(self.endpoint + path, body, plain, method="POST"), timeout=10):
            pass


@contextmanager
def serve() -> Iterator[Store]:
    """A store that is there until the block ends."""
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            assert wait_until(lambda: PORT.search(log.read_text()) is not None), log.read_text()
            told = PORT.search(log.read_text())
            assert told is not None
            yield Store(f"http://127.0.0.1:{told[1]}", log)
        finally:
            process.kill()
            process.wait()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port at which nobody answers, nor can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
