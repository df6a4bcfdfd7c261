"""The objects that the routes of one application share."""

from dataclasses import dataclass

from mien.inference.analyzer import Analyzer
from mien.serving.batching import Batcher
from mien.serving.clients import Clients, OneEach
from mien.serving.live import LiveCamera
from mien.serving.metrics import Metrics
from mien.serving.settings import Settings


@dataclass(frozen=True)
class Service:
    """The objects behind the routes; `app.state.service` is one."""

    settings: Settings
    analyzer: Analyzer
    metrics: Metrics
    batcher: Batcher
    clients: Clients
    videos: OneEach
    live: LiveCamera | None
