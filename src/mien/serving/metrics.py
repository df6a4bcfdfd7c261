"""What the service counts, for Prometheus; an own registry per application."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector
from starlette.types import Scope

from mien.inference.results import FrameResult

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_ROUTES = frozenset(
    {"/", "/static", "/v1/info", "/v1/predict", "/v1/video", "/v1/stream"}
    | {"/v1/live", "/healthz", "/readyz", "/metrics", "/openapi.json"}
)


class Metrics:
    """Counters of one application; all names begin with `mien_`."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector("mien", registry=registry)  # resident memory, processor time
        self.requests = Counter(
            "mien_requests",
            "Answered requests and handshakes.",
            ["route", "status"],
            registry=registry,
        )
        self.pictures = Counter(
            "mien_pictures", "Pictures and frames looked at.", ["outcome"], registry=registry
        )
        self.faces = Counter("mien_faces", "Faces read.", registry=registry)
        self.dropped_frames = Counter(
            "mien_dropped_frames",
            "Frames of streams passed over for newer ones.",
            registry=registry,
        )
        self.open_streams = Gauge("mien_open_streams", "Streams at work.", registry=registry)
        self.queue_length = Gauge("mien_queue_length", "Pictures that wait.", registry=registry)
        self.clients = Gauge("mien_clients", "Requests and streams at work.", registry=registry)
        self.queue_seconds = Histogram(
            "mien_queue_seconds", "Wait of a picture.", buckets=_SECONDS, registry=registry
        )
        self.analysis_seconds = Histogram(
            "mien_analysis_seconds",
            "Decoding, detection and classification of a batch.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_pictures = Histogram(
            "mien_batch_pictures",
            "Pictures of a batch.",
            buckets=(1, 2, 4, 8, 16),
            registry=registry,
        )

    def write(self, result: FrameResult) -> None:
        """Counts a picture or frame that was looked at, as a sink of results."""
        self.pictures.labels("unread" if result.error else "read").inc()
        self.faces.inc(len(result.faces))

    def count_answer(self, scope: Scope, status: int) -> None:
        """Counts an answer; addresses where nothing is count as one, so that they stay few."""
        path = scope["path"]
        route = "/static" if path.startswith("/static/") else path
        self.requests.labels(route if route in _ROUTES else "other", str(status)).inc()

    def page(self) -> bytes:
        """Returns all of them in Prometheus's text format."""
        return generate_latest(self._registry)
