"""Builds the application from its parts."""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from mien.inference.analyzer import Analyzer
from mien.serving.batching import Batcher
from mien.serving.clients import Clients, OneEach
from mien.serving.live import LiveCamera
from mien.serving.metrics import Metrics
from mien.serving.openapi import make_document
from mien.serving.problems import on_http_exception
from mien.serving.routes import PAGE, router
from mien.serving.security import Security
from mien.serving.service import Service
from mien.serving.settings import Settings


def create_app(settings: Settings, analyzer: Analyzer, live: LiveCamera | None = None) -> FastAPI:
    """Returns the service as an ASGI application.

    Args:
        settings: Its limits and its key.
        analyzer: Analyses the pictures; nothing else may use its detector meanwhile.
        live: A camera to show at `/v1/live`.
    """
    metrics = Metrics()
    batcher = Batcher(analyzer, settings, metrics)
    clients = Clients(settings.max_clients)
    metrics.clients.set_function(lambda: clients.count)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        try:
            if live is not None:
                live.sinks.append(metrics)
                live.start()
            yield
        finally:
            if live is not None:
                await asyncio.to_thread(live.close)
            await asyncio.to_thread(batcher.close)

    app = FastAPI(
        title="mien",
        version=version("mien"),
        lifespan=lifespan,
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: on_http_exception},
    )
    videos = OneEach(settings.max_videos)
    app.state.service = Service(settings, analyzer, metrics, batcher, clients, videos, live)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=PAGE))
    app.openapi = functools.cache(lambda: make_document(app, settings))
    app.add_middleware(Security, settings=settings, count=metrics.count_answer)
    return app
