"""Whoever is told: a web server and a mail server on this machine, which keep what they are given."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and the JSON of the requests that it got."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: standard error is for the tests."""

    with _serving(ThreadingHTTPServer((HOST, 0), Handler)) as port:
        yield f"http://{HOST}:{port}", received


@contextmanager
def mailbox() -> Iterator[tuple[int, list[Message]]]:
    """Its port, and the mails that it got. Speaks as much of RFC 5321 as a client without TLS and login needs."""
    received: list[Message] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            for line in self.rfile:
                match line.strip().split(b" ")[0].upper():
                    case b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        received.append(message_from_bytes(b"".join(iter(self.rfile.readline, b".\r\n"))))
                        self.wfile.write(b"250 kept\r\n")
                    case b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    case _:
                        self.wfile.write(b"250 fine\r\n")

    with _serving(socketserver.ThreadingTCPServer((HOST, 0), Handler)) as port:
        yield port, received


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    with server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
