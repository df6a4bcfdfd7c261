"""What the routes of one application share."""

from dataclasses import dataclass
from typing import Protocol

from starlette.websockets import WebSocket

from mien.inference.analyzer import Analyzer
from mien.serving.batching import Batcher
from mien.serving.clients import Clients
from mien.serving.metrics import Metrics
from mien.serving.settings import Settings


class LiveCamera(Protocol):
    """A camera on this machine or the network, shown on the page.

    Attributes:
        name: What people see it called.
    """

    name: str

    def start(self) -> None:
        """Begins to read it; called before the first client is served."""
        ...

    def close(self) -> None:
        """Ends reading; called, off the event loop, when no client is served any more."""
        ...

    async def stream(self, websocket: WebSocket) -> None:
        """Accepts the handshake and sends results until the client leaves."""
        ...


@dataclass(frozen=True)
class Service:
    """What is at work behind the routes."""

    settings: Settings
    analyzer: Analyzer
    metrics: Metrics
    batcher: Batcher
    clients: Clients
    live: LiveCamera | None
