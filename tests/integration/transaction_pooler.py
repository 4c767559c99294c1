"""A small transaction pooler that speaks PostgreSQL's own protocol (manual 53.2): each transaction of its client goes to the next server connection."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from pathlib import Path

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"


@contextmanager
def pooler(folder: Path, server: Path, *, servers: int, own_number: bool) -> Iterator[Path]:
    """Serve clients on a Unix socket in `folder` for the length of the block.

    :param server: folder of the real server's socket.
    :param servers: connections to the server that a client's transactions are spread over.
    :param own_number: whether the client is told a process number of the pooler's own, as by PgBouncer, or that of the first server connection.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / SOCKET))
        listener.listen()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_serve, args=(client, server / SOCKET, servers, own_number), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield folder


def _serve(client: socket.socket, server: Path, servers: int, own_number: bool) -> None:
    with ExitStack() as stack, suppress(OSError, EOFError):
        stack.enter_context(client)
        startup = _startup(client)
        backends = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(servers)]
        greetings = [_greeted(backend, server, startup) for backend in backends]
        client.sendall(b"".join(_renumbered(*each) if own_number else b"".join(each) for each in greetings[0]))
        turns = cycle(backends)
        backend, in_transaction = next(turns), False
        while True:
            backend = backend if in_transaction else next(turns)
            in_transaction = _exchange(client, backend)


def _startup(client: socket.socket) -> bytes:
    """The startup packet; a wish for encryption before it is declined."""
    while True:
        head = _exactly(client, 8)
        length, code = struct.unpack("!II", head)
        rest = _exactly(client, length - 8)
        if code >> 16 != 1234:
            return head + rest
        client.sendall(b"N")


def _greeted(backend: socket.socket, server: Path, startup: bytes) -> list[tuple[bytes, bytes]]:
    backend.connect(str(server))
    backend.sendall(startup)
    return list(_until_ready(backend))


def _renumbered(head: bytes, body: bytes) -> bytes:
    return head + (struct.pack("!I", 4711) + body[4:] if head[:1] == b"K" else body)


def _exchange(client: socket.socket, backend: socket.socket) -> bool:
    """One question with its answers; returns whether a transaction is open behind it."""
    kind = b""
    while kind not in (b"Q", b"S"):
        head, body = _message(client)
        kind = head[:1]
        if kind == b"X":
            raise EOFError
        backend.sendall(head + body)
    status = b"I"
    for head, body in _until_ready(backend):
        client.sendall(head + body)
        status = body
    return status != b"I"


def _until_ready(backend: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    while True:
        head, body = _message(backend)
        yield head, body
        if head[:1] == b"Z":
            return


def _message(sender: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(sender, 5)
    return head, _exactly(sender, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(sender: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = sender.recv(length - len(found))
        if not more:
            raise EOFError
        found += more
    return found
