"""Access to the service: which addresses it may listen on, and its API key."""

import ipaddress
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from mien.errors import BadInputError, MissingError, UsageError

MIN_KEY_CHARACTERS = 16


def read_api_key(path: Path, warn: Callable[[str], None]) -> str:
    """Returns the key in a file: its first line, without the spaces around it.

    Args:
        path: The file.
        warn: Called with a message if other users of the machine can read the file.

    Raises:
        MissingError: No such file.
        BadInputError: It cannot be read, or the key is too short or not plain ASCII.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: cannot be read as a key: {error}") from error
    key = lines[0].strip() if lines else ""
    if len(key) < MIN_KEY_CHARACTERS:
        raise BadInputError(
            f"{path}: its first line, the key, has {len(key)} characters; at least "
            f"{MIN_KEY_CHARACTERS} are needed, such as `openssl rand -hex 32` prints"
        )
    if not (key.isascii() and key.isprintable()):
        raise BadInputError(f"{path}: the key must be of printable ASCII characters")
    if os.name == "posix" and mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(f"{path}: others on this machine can read the key; chmod 600 mends that")
    return key


def check_access(host: str, api_key: str | None, insecure: bool) -> bool:
    """Returns whether an address can be reached from this machine only.

    Raises:
        UsageError: Other machines can reach it, there is no key, and `insecure` is not set.
        BadInputError: The host is no address or name.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadInputError(f"{host}: no such address") from error
    addresses = [str(address[0]).partition("%")[0] for *_, address in found]
    local = all(ipaddress.ip_address(address).is_loopback for address in addresses)
    if not local and api_key is None and not insecure:
        raise UsageError(
            f"--host {host} lets other machines in: give --api-key-file, or --insecure if "
            "everybody who reaches it may use it"
        )
    return local
