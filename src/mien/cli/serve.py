"""`mien serve`: the HTTP and WebSocket service and its page."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.output import need, note, warn


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: a free one.")] = 8000,
    model: Annotated[str, typer.Option(help="default, a model folder, or a run.")] = "default",
    detector: Annotated[
        str, typer.Option(help="retinaface, haar, or none: each picture is a face.")
    ] = "retinaface",
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="A file whose first line is the key that clients must show, of 16 or more "
            "characters.",
            show_default=False,
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Let others than this machine in, without a key."),
    ] = False,
) -> None:
    """Serve a page and an HTTP and WebSocket service that read expressions in pictures.

    Nothing of the pictures is stored or logged. The service speaks plain HTTP: beyond this
    machine, put a server that speaks HTTPS in front of it.
    """
    need("fastapi", "serve")
    need("uvicorn", "serve")
    from mien.inference import Analyzer
    from mien.serving.access import check_access, read_api_key
    from mien.serving.app import create_app
    from mien.serving.server import run
    from mien.serving.settings import Settings

    key = None if api_key_file is None else read_api_key(api_key_file, warn)
    local = check_access(host, key, insecure)
    settings = Settings(model, detector, key, local)
    app = create_app(settings, Analyzer(model, detector))
    run(app, host, port, lambda url: note(f"serving on {url} (Ctrl-C ends it)"))
