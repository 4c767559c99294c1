"""Write `.env` for docker-compose.yml: `.env.example` with a fresh secret behind each empty name. Needs nothing but Python."""

import base64
import os
import re
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def main(folder: Path = PROJECT) -> int:
    """Returns the exit status: 1 if there is a `.env` already, which is left alone."""
    file = folder / ".env"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f'"{file}" is there already; its secrets are in use, so it is left alone', file=sys.stderr)
        return 1
    with os.fdopen(descriptor, "w") as output:
        output.write(filled_in((PROJECT / ".env.example").read_text()))
    return 0


def filled_in(example: str) -> str:
    """The text with a secret behind each `NAME=` that has nothing behind it."""
    return re.sub(r"^([A-Z0-9_]+)=$", lambda found: f"{found[1]}={secret_for(found[1])}", example, flags=re.MULTILINE)


def secret_for(name: str) -> str:
    """64 letters and digits, which stand unchanged in a URL, in JSON and on a command line. A Fernet key is 32 bytes in base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() if name == "FERNET_KEY" else secrets.token_hex(32)


if __name__ == "__main__":
    sys.exit(main())
