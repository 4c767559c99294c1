"""An S3 server over HTTP on this machine, and a proxy in front of it that fails as networks and servers do."""

import importlib
import json
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import IO, Any, ClassVar

HOST = "127.0.0.1"

_SERVE = f"""
import os, sys
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # it logs every request
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer({HOST!r}, port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
"""The server ends when its standard input does, so it cannot outlive the tests."""

_TIMEOUT = 30


@contextmanager
def serving() -> Iterator[int]:
    """An S3 server in a process of its own; yields its port."""
    command = [sys.executable, "-c", _SERVE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - a script of ours
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


class Does(Enum):
    """What the proxy does with a request."""

    ANSWER = auto()
    """Gives `status` itself; the server never sees the request."""
    CUT_REQUEST = auto()
    """Reads `after` bytes of the body and cuts the connection; the server never sees the request."""
    CUT_RESPONSE = auto()
    """Hands the request on, and cuts the connection `after` bytes into the answer."""


@dataclass
class Fault:
    """Something that goes wrong with chosen requests.

    :param request: regular expression that is searched in `PUT /bucket/key?query`.
    :param after: bytes; see `Does`.
    :param times: how many requests it happens to.
    """

    does: Does
    request: str
    status: int = 0
    code: str = ""
    after: int = 0
    times: int = 1 << 30

    def takes(self, request: str) -> bool:
        """Whether it happens to this request, and once less then."""
        if self.times == 0 or re.search(self.request, request) is None:
            return False
        self.times -= 1
        return True


@dataclass
class Proxy:
    """Hands requests on to the server, one a connection, save for its faults."""

    upstream: int
    faults: list[Fault] = field(default_factory=list)
    delay: float = 0.0
    requests: list[str] = field(default_factory=list)
    """All that came, as `PUT /bucket/key?query`."""
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, request: str) -> Fault | None:
        """Note the request, and what is to go wrong with it."""
        with self._lock:
            self.requests.append(request)
            return next((each for each in self.faults if each.takes(request)), None)

    def deny(self, request: str) -> None:
        """Answer 403 to chosen requests."""
        self.faults.append(Fault(Does.ANSWER, request, 403, "AccessDenied"))

    def busy(self, request: str, times: int = 1 << 30) -> None:
        """Answer 503 to chosen requests."""
        self.faults.append(Fault(Does.ANSWER, request, 503, "SlowDown", times=times))

    def cut_request(self, request: str, after: int, times: int = 1 << 30) -> None:
        """Cut the connection while chosen requests are sent."""
        self.faults.append(Fault(Does.CUT_REQUEST, request, after=after, times=times))

    def cut_response(self, request: str, after: int = 0, times: int = 1 << 30) -> None:
        """Cut the connection while chosen requests, which the server has carried out, are answered."""
        self.faults.append(Fault(Does.CUT_RESPONSE, request, after=after, times=times))

    def mend(self) -> None:
        """From here on all is well."""
        with self._lock:
            self.faults.clear()
            self.delay = 0.0

    def count(self, request: str) -> int:
        """How many such requests came."""
        return sum(re.search(request, each) is not None for each in self.requests)


class _Exchange(socketserver.StreamRequestHandler):
    """One request and its answer, then the connection is closed."""

    timeout: ClassVar[float] = _TIMEOUT
    proxy: ClassVar[Proxy]

    def handle(self) -> None:
        with suppress(OSError):  # either side may go away; that is what this is for
            self._exchange()

    def _exchange(self) -> None:
        first = self.rfile.readline().decode("latin-1").split()
        if len(first) != 3:
            return
        request = f"{first[0]} {first[1]}"
        headers = self._headers()
        fault = self.proxy.fault(request)
        time.sleep(self.proxy.delay)
        match fault:
            case Fault(does=Does.ANSWER):
                self._body(headers)
                self._answer(first[0], fault)
            case Fault(does=Does.CUT_REQUEST):
                self._continue(headers)
                self.rfile.read(min(fault.after, int(headers.get("content-length", "0"))))
            case _:
                self._hand_on(" ".join(first), headers, fault.after if fault else None)

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        assert "transfer-encoding" not in headers, "the proxy knows bodies of known length only"
        return headers

    def _continue(self, headers: dict[str, str]) -> None:
        if headers.pop("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _body(self, headers: dict[str, str]) -> bytes:
        self._continue(headers)
        return self.rfile.read(int(headers.get("content-length", "0")))

    def _answer(self, method: str, fault: Fault) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>the proxy says so</Message></Error>".encode()
        head = f"HTTP/1.1 {fault.status} No\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + (b"" if method == "HEAD" else body))

    def _hand_on(self, first: str, headers: dict[str, str], cut_after: int | None) -> None:
        body = self._body(headers)
        headers["connection"] = "close"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection((HOST, self.proxy.upstream), timeout=_TIMEOUT) as server:
            server.sendall(f"{first}\r\n{head}\r\n".encode("latin-1") + body)
            answer = _answer_from(server.makefile("rb"), with_body=not first.startswith("HEAD "))
        self.wfile.write(answer if cut_after is None else answer[:cut_after])


def _answer_from(server: IO[bytes], *, with_body: bool) -> bytes:
    """A whole answer. The server keeps the connection open for a moment behind it, which would add up."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and (line := server.readline()):
        head += line
    length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
    return head + (server.read(int(length[1]) if length else -1) if with_body else b"")


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


@contextmanager
def proxied(upstream: int) -> Iterator[Proxy]:
    """A proxy in front of the server with this port."""
    proxy = Proxy(upstream)
    with _Listener((HOST, 0), type("Exchange", (_Exchange,), {"proxy": proxy})) as listener:
        proxy.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown()
            thread.join()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as once:
        once.bind((HOST, 0))
        return int(once.getsockname()[1])


def connection_json(port: int, *, read_timeout: float = 5.0, retries: int = 0) -> str:
    """An Airflow connection to the server at this port, which gives up soon.

    :param retries: of botocore; s3fs has its own.
    """
    config = {"connect_timeout": 2, "read_timeout": read_timeout, "retries": {"max_attempts": retries}}
    extra = {"endpoint_url": f"http://{HOST}:{port}", "region_name": "us-east-1", "config_kwargs": config}
    return json.dumps({"conn_type": "aws", "login": "an-identity", "password": "of no importance", "extra": extra})


@dataclass
class Bucket:
    """What lies in a bucket, asked of the server itself, past the proxy."""

    name: str
    client: Any

    @classmethod
    def at(cls, port: int, name: str) -> "Bucket":
        """The bucket of that name, which need not exist."""
        client = importlib.import_module("boto3").client(
            "s3",
            endpoint_url=f"http://{HOST}:{port}",
            region_name="us-east-1",
            aws_access_key_id="the-owner",
            aws_secret_access_key="of no importance",  # noqa: S106 - the server asks for none
        )
        return cls(name, client)

    def create(self) -> None:
        self.client.create_bucket(Bucket=self.name)

    def exists(self) -> bool:
        return self.name in {each["Name"] for each in self.client.list_buckets()["Buckets"]}

    def objects(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(each["Key"] for page in pages for each in page.get("Contents", []))

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def unfinished_uploads(self) -> list[str]:
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])]
