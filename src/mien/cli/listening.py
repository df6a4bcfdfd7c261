"""The options of the verbs that serve the page: where they listen, and for whom."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.output import need, warn

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: a free one.")]
ApiKeyFile = Annotated[
    Path | None,
    typer.Option(
        help="A file whose first line is the key that clients must show, of 16 or more characters.",
        show_default=False,
    ),
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure", help="Let others than this machine in, without a key."),
]


def need_server() -> None:
    """Checks that what serves is installed."""
    need("fastapi", "serve")
    need("uvicorn", "serve")


def find_access(host: str, api_key_file: Path | None, insecure: bool) -> tuple[str | None, bool]:
    """Returns the key that clients must show, and whether only this machine is let in."""
    from mien.serving.access import check_access, read_api_key

    key = None if api_key_file is None else read_api_key(api_key_file, warn)
    return key, check_access(host, key, insecure)
