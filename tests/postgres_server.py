"""A real PostgreSQL for a test: a cluster of its own, on a port of its own, gone afterwards."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Yields the SQLAlchemy URL of an empty database on a server that runs until the end.

    PostgreSQL refuses to run as root: then the `postgres` user that its package makes runs it.

    Raises:
        RuntimeError: It is not installed, and this is not root to install it.
    """
    programs = _programs()
    as_root = os.geteuid() == 0
    if as_root:
        folder = Path(_checked("runuser", "-u", "postgres", "--", "mktemp", "-d").strip())
    else:
        folder.mkdir(parents=True)
    user = ["runuser", "-u", "postgres", "--"] if as_root else []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = folder / "cluster"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    try:
        create = ["-U", "mien", "--auth=trust", "--no-sync", "--locale=C", "-E", "UTF8"]
        _checked(*user, str(programs / "initdb"), "-D", str(cluster), *create)
        control = [*user, str(programs / "pg_ctl"), "-D", str(cluster), "-w"]
        _checked(*control, "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://mien@127.0.0.1:{port}/postgres"
        finally:
            _checked(*control, "-m", "immediate", "stop")
    finally:
        if as_root:
            shutil.rmtree(folder)


def _programs() -> Path:
    """Returns the folder with `initdb` and `pg_ctl`; installs them as root."""
    found = _find_programs()
    if found is None and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", "-qq", *words], env=environment, check=True)
        found = _find_programs()
    if found is None:
        raise RuntimeError("this test needs PostgreSQL: sudo apt-get install postgresql")
    return found


def _find_programs() -> Path | None:
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    anywhere = shutil.which("initdb")
    paths = [*packaged, *([Path(anywhere)] if anywhere else [])]
    return paths[-1].resolve().parent if paths else None


def _checked(*command: str) -> str:
    """Returns what a command printed."""
    # Into a file, not a pipe: the server inherits it and would keep a pipe open.
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout
