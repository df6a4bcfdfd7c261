"""`mien serve`: the HTTP and WebSocket service and its page."""

from mien.cli.listening import ApiKeyFile, Host, Insecure, Port, find_access, need_server
from mien.cli.options import Detector, Device, MinConfidence, Model, Precision, Threads
from mien.cli.output import note
from mien.memory import return_freed_memory
from mien.processors import limit_cores


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    model: Model = "default",
    detector: Detector = "retinaface",
    min_confidence: MinConfidence = 0.5,
    api_key_file: ApiKeyFile = None,
    insecure: Insecure = False,
    precision: Precision = "auto",
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Serve a page, and a service that reads pictures.

    The service speaks HTTP and WebSocket. Nothing of the pictures is stored or logged. Beyond
    this machine, put a server that speaks HTTPS in front of it.
    """
    need_server()
    from mien.inference import Analyzer
    from mien.serving.app import create_app
    from mien.serving.server import run
    from mien.serving.settings import Settings

    key, local = find_access(host, api_key_file, insecure)
    settings = Settings(model, detector, key, local)
    limit_cores(threads)
    analyzer = Analyzer(
        model, detector, min_confidence=min_confidence, precision=precision, device=device
    )
    app = create_app(settings, analyzer)
    return_freed_memory()
    run(app, host, port, lambda url: note(f"serving on {url} (Ctrl-C ends it)"))
