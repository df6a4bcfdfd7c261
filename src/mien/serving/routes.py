"""The routes of the service."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection

from mien.inference.results import FrameResult
from mien.serving import openapi
from mien.serving.clients import RETRY_AFTER
from mien.serving.problems import client_left
from mien.serving.service import Service
from mien.serving.sockets import departure
from mien.serving.stream import serve_stream
from mien.serving.uploads import read_uploads
from mien.serving.video import answer_video

PAGE = Path(__file__).parent / "page"

router = APIRouter()


def _service(connection: HTTPConnection) -> Service:
    return connection.app.state.service


@router.get("/v1/info", summary="The service, its model and limits", responses=openapi.INFO_ANSWERS)
async def info(request: Request) -> JSONResponse:
    """The model, the limits, and whether a key is needed."""
    return JSONResponse(describe(_service(request)))


@router.post(
    "/v1/predict",
    summary="The expressions in pictures",
    responses=openapi.PREDICT_ANSWERS,
    openapi_extra=openapi.PREDICT_BODY,
)
async def predict(request: Request) -> JSONResponse:
    """A result for each picture, with an error if it is unreadable; 422 if it is the only one."""
    service = _service(request)
    with service.clients.one_more():  # before the body is read: who is refused need not send it
        try:
            uploads = await read_uploads(request, service.settings)
        except ClientDisconnect:
            raise client_left() from None
        submit, budget = service.batcher.submit, service.batcher.budget()
        answers = [submit(upload.content, upload.name, budget) for upload in uploads]
        results = await _wait(request, answers, service.settings.answer_seconds)
    if len(results) == 1 and results[0].error is not None:
        raise HTTPException(422, results[0].error)
    return JSONResponse({"results": [result.to_dict() for result in results]})


@router.post(
    "/v1/video",
    summary="The expressions in a video",
    response_class=Response,
    responses=openapi.VIDEO_ANSWERS,
    openapi_extra=openapi.VIDEO_BODY,
)
async def video(request: Request) -> Response:
    """A line of JSON per frame that is read, as it is read."""
    return await answer_video(request, _service(request))


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Frames in, faces out."""
    service = _service(websocket)
    with service.clients.one_more():
        await serve_stream(websocket, service.batcher, service.settings, service.metrics)


@router.websocket("/v1/live")
async def live(websocket: WebSocket) -> None:
    """What the server's own camera sees."""
    service = _service(websocket)
    if service.live is None:
        raise HTTPException(404)
    with service.clients.one_more():
        await service.live.stream(websocket)


@router.get("/healthz", summary="It lives", responses=openapi.HEALTH_ANSWERS)
async def healthz(request: Request) -> PlainTextResponse:
    """200 while the service analyses pictures, 503 once one of its threads has died."""
    if not _service(request).batcher.is_working:
        raise HTTPException(503, "a thread of the service has died: start it anew")
    return PlainTextResponse("ok\n")


@router.get("/readyz", summary="It takes a further client", responses=openapi.READY_ANSWERS)
async def readyz(request: Request) -> PlainTextResponse:
    """200 while another client can be served, 503 otherwise."""
    service = _service(request)
    if not service.batcher.is_working or service.clients.is_full:
        raise HTTPException(503, "no further client is taken now", RETRY_AFTER)
    return PlainTextResponse("ready\n")


@router.get("/metrics", summary="Counters for Prometheus", responses=openapi.METRICS_ANSWERS)
async def metrics(request: Request) -> Response:
    """Requests, pictures, faces, waits, batches, streams, memory."""
    return Response(_service(request).metrics.page(), media_type=CONTENT_TYPE_LATEST)


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def page() -> FileResponse:
    """The page."""
    return FileResponse(PAGE / "index.html")


@router.websocket("/{path:path}")
async def nowhere(websocket: WebSocket) -> None:
    """Answers WebSocket handshakes for unknown paths with a problem document, 404."""
    raise HTTPException(404)


def describe(service: Service) -> dict[str, Any]:
    """Returns the content of `/v1/info`: the model, the limits, whether a key is needed."""
    settings, classifier = service.settings, service.analyzer.classifier
    config = classifier.config
    limits = ("max_bytes", "max_pixels", "max_faces", "max_files", "max_clients")
    limits += ("max_video_bytes", "max_video_seconds")
    return {
        "name": "mien",
        "version": version("mien"),
        "mode": "serve" if service.live is None else "live",
        "camera": None if service.live is None else service.live.name,
        "model": {
            "name": Path(settings.model).resolve().name,
            "labels": list(config.labels),
            "face_size": config.face_size,
            "channels": config.channels,
            "architecture": config.architecture,
            "digest": classifier.digest[:16],
            "precision": classifier.precision,
            "device": classifier.device,
        },
        "detector": settings.detector,
        "min_confidence": service.analyzer.min_confidence,
        "limits": {name: getattr(settings, name) for name in limits},
        "api_key_required": settings.api_key is not None,
    }


async def _wait(
    request: Request, answers: Sequence[Future[FrameResult]], seconds: float
) -> list[FrameResult]:
    """Returns the results; cancels those that are pending if the client leaves or time runs out.

    Raises:
        HTTPException: 499 if the client left, 503 after `seconds`.
    """
    results = asyncio.create_task(_all(answers))
    leaving = asyncio.create_task(departure(request.receive))
    try:
        done, _ = await asyncio.wait(
            {results, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if results in done:
            return results.result()
        if leaving in done:
            raise client_left()
        raise HTTPException(503, f"no answer within {seconds:g} s; try again later", RETRY_AFTER)
    finally:
        for answer in answers:  # at once: through the tasks it would take some turns of the loop
            answer.cancel()
        results.cancel()
        leaving.cancel()


async def _all(answers: Sequence[Future[FrameResult]]) -> list[FrameResult]:
    return await asyncio.gather(*map(asyncio.wrap_future, answers))
