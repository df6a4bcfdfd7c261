"""`mien live`: a camera on this machine or the network, shown on the page."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.listening import ApiKeyFile, Host, Insecure, Port, find_access, need_server
from mien.cli.options import Device, Hide, MinConfidence, Model, Precision, Threads
from mien.cli.output import note
from mien.memory import return_freed_memory
from mien.processors import limit_cores


def live(
    camera: Annotated[
        str,
        typer.Option(help="A device's number, a video file, or rtsp://… or http://… of a camera."),
    ] = "0",
    detector: Annotated[
        str, typer.Option(help="retinaface, haar, or none: each frame is a face.")
    ] = "retinaface",
    model: Model = "default",
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write a CSV row per face to this file; one for a frame without.",
            show_default=False,
        ),
    ] = None,
    min_confidence: MinConfidence = 0.5,
    hide: Hide = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    browser: Annotated[
        bool,
        typer.Option("--browser/--no-browser", help="Open the page in the browser."),
    ] = True,
    api_key_file: ApiKeyFile = None,
    insecure: Insecure = False,
    precision: Precision = "auto",
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Show the expressions in front of a camera on a page.

    It runs until Ctrl-C. A camera that drops is tried again; a file is played once, at its own
    pace. Frames are not stored. Passwords in an address are never shown, but other users of this
    machine can see them among its processes.
    """
    need_server()
    from mien.classifier import Classifier
    from mien.inference import Analyzer
    from mien.inference.read.camera import find_camera
    from mien.inference.read.sources import VideoSource
    from mien.inference.write.sinks import create_table
    from mien.serving.app import create_app
    from mien.serving.live import LiveCamera
    from mien.serving.server import run
    from mien.serving.settings import Settings

    place = find_camera(camera)
    key, local = find_access(host, api_key_file, insecure)
    limit_cores(threads)
    classifier = Classifier(model, precision=precision, device=device)
    analyzer, of_camera = (
        Analyzer(classifier, detector, min_confidence=min_confidence, device=device)
        for _ in range(2)
    )
    shown = LiveCamera(place, of_camera, note, hide)
    with ExitStack() as stack:
        if csv is not None:
            files = [VideoSource(Path(camera), Path(camera))] if place.ends else []
            rows = create_table(csv, "csv", analyzer.labels, files)
            shown.sinks.append(stack.enter_context(rows))
        app = create_app(Settings(model, detector, key, local), analyzer, shown)
        return_freed_memory()
        run(app, host, port, lambda url: _tell(place.name, url, browser))


def _tell(camera: str, url: str, browser: bool) -> None:
    import threading
    import webbrowser

    note(f"showing {camera} on {url} (Ctrl-C ends it)")
    if browser:  # in a thread: some browsers run in the terminal until they are left
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
