"""The service's Prometheus metrics; each application has a registry of its own."""

from functools import partial

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
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry, buckets=_SECONDS)
        answered = "Answered requests and handshakes."
        self.requests = counter("mien_requests", answered, ["route", "status"])
        self.pictures = counter("mien_pictures", "Pictures and frames looked at.", ["outcome"])
        self.faces = counter("mien_faces", "Faces read.")
        dropped = "Frames of streams passed over for newer ones."
        self.dropped_frames = counter("mien_dropped_frames", dropped)
        self.open_streams = gauge("mien_open_streams", "Streams at work.")
        self.queue_length = gauge("mien_queue_length", "Pictures that wait.")
        self.clients = gauge("mien_clients", "Requests and streams at work.")
        self.queue_seconds = histogram("mien_queue_seconds", "Wait of a picture.")
        work = "Decoding, detection and classification of a batch."
        self.analysis_seconds = histogram("mien_analysis_seconds", work)
        numbers = (1, 2, 4, 8, 16)
        self.batch_pictures = histogram(
            "mien_batch_pictures", "Pictures of a batch.", buckets=numbers
        )

    def write(self, result: FrameResult) -> None:
        """Counts a picture or frame and its faces; this makes the metrics a sink of results."""
        self.pictures.labels("unread" if result.error else "read").inc()
        self.faces.inc(len(result.faces))

    def count_answer(self, scope: Scope, status: int) -> None:
        """Counts an answer by route and status; unknown paths count as one route, `other`."""
        path = scope["path"]
        route = "/static" if path.startswith("/static/") else path
        self.requests.labels(route if route in _ROUTES else "other", str(status)).inc()

    def page(self) -> bytes:
        """Returns all of them in Prometheus's text format."""
        return generate_latest(self._registry)
