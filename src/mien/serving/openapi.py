"""The OpenAPI document: what is sent and answered, with examples.

Answers are made by `FrameResult.to_dict`; the models here only describe them.
"""

import json
from http import HTTPStatus
from typing import Any, ClassVar, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from mien.serving.problems import MEDIA_TYPE
from mien.serving.security import OPEN_PATHS
from mien.serving.settings import Settings

_DESCRIPTION = """\
Reads *perceived expression* in pictures: how a face looks to people who label such pictures. It
does not tell what a person feels. Nothing of the pictures is stored or logged.

**Limits.** One request: {max_bytes:,} bytes in all, {max_files} pictures of at most {max_pixels:,}
pixels each. Of a picture with more than {max_faces} faces, the most certain detections are read.
{max_clients} requests and streams are served at a time; further ones are answered 429 with
`Retry-After`.

**Moving pictures.** `WS /v1/stream` (subprotocol `mien.v1`): send each frame as one binary message,
a JPEG, PNG or WebP; each answer is one text message: a result as below, with `frame` (its index
among the frames sent), `time_seconds` (of its arrival, from the first), `track_id` and `smoothed`
in each face, and `dropped`, the number of frames passed over since the answer before. The latest
frame wins: while one is looked at, a newer one replaces the one that waits. Closed with 1001 after
{idle_seconds:g} s without a frame, 1003 for a text message, 1009 for a frame that is too large;
refused with 429 where too many clients are served, with 401 without the key, which browsers show as
a second subprotocol: `mien.key.` and the key in base64url without padding.

**Videos.** `POST /v1/video`: the file as the body, {max_video_bytes:,} bytes at most; it is kept in
a temporary file while it is read. A frame each {video_step_seconds:g} s is looked at, of the first
{max_video_seconds:g} s, within {answer_seconds:g} s. The answer is a line of JSON per frame, as
soon as it is read: `state` is `started` in the first line, which has the duration if the file says
it; `running` in the others, results as of moving pictures; `ended` in the last, with an `error`
where it was cut short. Without that line the answer broke off. One video is read at a time for an
address, {max_videos} in all.

**Errors** are problem documents (RFC 9457), all of the type `about:blank`.
"""

_PROBLEMS = {
    400: "the form ends before its last boundary",
    401: "show the key: Authorization: Bearer KEY, or X-API-Key: KEY",
    403: "pages of other sites may not use this service",
    408: "the body did not come in time; is the connection too slow?",
    413: "at most 10,000,000 bytes in one request",
    415: "send the body as it is, without a Content-Encoding",
    421: "this service is for this machine only: ask for localhost or 127.0.0.1",
    422: "README.md: text, not a picture",
    429: "64 clients are being served; try again in a moment",
    500: "an unexpected error; the server's log has it",
    503: "no further client is taken now",
}


class _Answer(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class Problem(_Answer):
    """What went wrong (RFC 9457)."""

    type: Literal["about:blank"]
    title: str = Field(description="The name of the status.")
    status: int
    detail: str = Field(description="What was given, and what was expected.")
    instance: str = Field(description="The path that was asked for.")


class FaceModel(_Answer):
    """A face, and the expression it is perceived to show."""

    box: list[float] = Field(
        min_length=4,
        max_length=4,
        description="Left, top, right, bottom in pixels of the upright picture.",
    )
    detection_score: float = Field(ge=0, le=1)
    landmarks: list[list[float]] | None = Field(
        description="Two eyes, the tip of the nose, two corners of the mouth: x, y; null where the "
        "detector finds none."
    )
    expression: str = Field(description="The most probable one.")
    confidence: float = Field(ge=0, le=1, description="Its probability, calibrated.")
    uncertain: bool = Field(description="The confidence is below min_confidence.")
    probabilities: dict[str, float]


class Result(_Answer):
    """The faces of one picture, the most certain first; or why it could not be read."""

    source: str = Field(description="The file's name as it was sent, or `picture`.")
    width: int | None
    height: int | None
    faces: list[FaceModel]
    error: str | None
    schema_version: int = Field(description="Raised when a key changes or goes.")
    mien_version: str
    model: str | None = Field(description="SHA-256 of the network's file, its first 16 digits.")


class Predictions(_Answer):
    """A result per picture, in their order."""

    results: list[Result]


class ModelFacts(_Answer):
    """What the model is."""

    name: str
    labels: list[str]
    face_size: int
    channels: int
    architecture: str
    digest: str = Field(description="As the column `model` of tables: which network answers.")
    precision: str = Field(description="float32 or int8.")
    device: str = Field(description="Where it runs: cpu, cuda, directml, openvino or coreml.")


class Limits(_Answer):
    """What is refused beyond."""

    max_bytes: int
    max_pixels: int
    max_faces: int
    max_files: int
    max_clients: int
    max_video_bytes: int
    max_video_seconds: float


class Info(_Answer):
    """The service, its model and its limits."""

    name: Literal["mien"]
    version: str
    mode: Literal["serve", "live"]
    camera: str | None
    model: ModelFacts
    detector: str
    min_confidence: float
    limits: Limits
    api_key_required: bool


_EXAMPLE = json.loads("""\
{"results": [{"source": "astronaut.jpg", "width": 512, "height": 512, "faces": [{
  "box": [177.97, 56.68, 273.25, 177.15], "detection_score": 0.9995, "landmarks":
    [[204.83, 100.57], [247.4, 103.33], [223.46, 129.16], [202.37, 137.96], [244.17, 140.47]],
  "expression": "happy", "confidence": 0.87388348, "uncertain": false, "probabilities":
    {"angry": 0.02284732, "disgust": 0.01079043, "fear": 0.014692, "happy": 0.87388348,
     "sad": 0.02493226, "surprise": 0.01915901, "neutral": 0.0336955}
}], "error": null, "schema_version": 1, "mien_version": "0.1.0", "model": "553b0c503d4aa04d"}]}""")

_VIDEO_EXAMPLE = """\
{"state":"started","duration_seconds":0.4}
{"state":"running","source":"video","frame":0,"time_seconds":0.0,"width":640,"height":360,"faces":[],\
"error":null,"schema_version":1,"mien_version":"0.1.0","model":"553b0c503d4aa04d"}
{"state":"ended","error":null}
"""

_PICTURE = {"schema": {"type": "string", "format": "binary"}}
PREDICT_BODY = {
    "requestBody": {
        "required": True,
        "description": "Pictures as files of a form, or the bytes of one picture (JPEG, PNG, WebP, "
        "GIF, TIFF, BMP, AVIF, ...) with any other content type; what it is, is seen from it.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                        }
                    },
                    "required": ["file"],
                    "additionalProperties": False,
                }
            },
            "application/octet-stream": _PICTURE,
            "image/*": _PICTURE,
        },
    }
}
VIDEO_BODY = {
    "requestBody": {
        "required": True,
        "description": "The bytes of one video (MP4, MOV, WebM, Matroska, AVI, MPEG, ...) with any "
        "content type; what it is, is seen from it.",
        "content": {"application/octet-stream": _PICTURE, "video/*": _PICTURE},
    }
}


def _answers(
    content: dict[str, Any], description: str, *problems: int
) -> dict[int | str, dict[str, Any]]:
    """Returns the descriptions of a route's answers: its own, and the problems it may have."""
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": description, "content": content}
    }
    for status in (*problems, 421, 500):
        title = HTTPStatus(status).phrase
        example = {"type": "about:blank", "title": title, "status": status}
        example |= {"detail": _PROBLEMS[status], "instance": "/v1/predict"}
        schema = {"$ref": "#/components/schemas/Problem"}
        answers[status] = {
            "description": title,
            "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
        }
        if status in (429, 503):
            seconds = {"schema": {"type": "integer"}, "description": "Seconds."}
            answers[status]["headers"] = {"Retry-After": seconds}
    return answers


_REFERENCE = "#/components/schemas/{model}"
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_PREDICTIONS = {"$ref": _REFERENCE.format(model="Predictions")}
_INFO = {"$ref": _REFERENCE.format(model="Info")}

PREDICT_ANSWERS = _answers(
    {"application/json": {"schema": _PREDICTIONS, "example": _EXAMPLE}},
    "A result per picture. One of several that cannot be read has its `error`.",
    *(400, 401, 403, 408, 413, 415, 422, 429, 503),
)
VIDEO_ANSWERS = _answers(
    {"application/x-ndjson": {"schema": {"type": "string"}, "example": _VIDEO_EXAMPLE}},
    "A line of JSON per frame, between a first and a last one.",
    *(401, 403, 408, 413, 415, 422, 429),
)
INFO_ANSWERS = _answers({"application/json": {"schema": _INFO}}, "What the service is.")
HEALTH_ANSWERS = READY_ANSWERS = _answers(_TEXT, "It does.", 503)
METRICS_ANSWERS = _answers(_TEXT, "In Prometheus's text format.", 401)


def make_document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """Returns the document of an application whose routes carry the descriptions above."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="Perceived facial expressions in pictures.",
        description=_DESCRIPTION.format(**vars(settings)),
        routes=app.routes,
    )
    models = [(Predictions, "serialization"), (Info, "serialization"), (Problem, "serialization")]
    _, schemas = models_json_schema(models, ref_template=_REFERENCE)  # type: ignore[arg-type]
    components = document.setdefault("components", {})
    components["schemas"] = schemas["$defs"]
    if settings.api_key is not None:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["security"] = (
                    [] if path in OPEN_PATHS else [{"bearer": []}, {"header": []}]
                )
    return document
