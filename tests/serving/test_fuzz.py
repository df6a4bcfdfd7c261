"""Whatever is sent, the service answers and lives on."""

import contextlib
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PATIENCE_SECONDS = 30

# One server sees all examples: that it bears them one after the other is the point.
quick = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150
)


def _seeds() -> list[bytes]:
    """Returns small pictures of every kind that is read, also moving and 16-bit ones."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    seeds = []
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"):
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, kind)
        seeds.append(stream.getvalue())
    deep, moving = BytesIO(), BytesIO()
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(deep, "PNG")
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    frames[0].save(moving, "WEBP", save_all=True, append_images=frames[1:])
    return [*seeds, deep.getvalue(), moving.getvalue()]


@st.composite
def damaged_pictures(draw: st.DrawFn) -> bytes:
    """Pictures cut short, with flipped bits, or with bytes put in."""
    content = bytearray(draw(st.sampled_from(_seeds())))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content) - 1))
        content[place] ^= draw(st.integers(1, 255))
    if draw(st.booleans()):
        del content[draw(st.integers(1, len(content))) :]
    if draw(st.booleans()):
        place = draw(st.integers(0, len(content)))
        content[place:place] = draw(st.binary(max_size=8))
    return bytes(content)


anything = st.one_of(damaged_pictures(), damaged_pictures(), st.binary(max_size=200))


# Servers of their own processes: hypothesis watches the random numbers of this one, and uvicorn
# draws some for its pings, as do clients of WebSockets.
@pytest.fixture(scope="module")
def fast(start: Any) -> Any:
    """A server that takes each picture for a face, so that detection costs nothing."""
    return start("--detector", "none")


@pytest.fixture(scope="module")
def fast_client(fast: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fast.url, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture(scope="module")
def careful_client(start: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=start().url, timeout=PATIENCE_SECONDS) as client:
        yield client


@quick
@given(content=anything)
def test_pictures_are_read_or_refused(fast_client: httpx.Client, content: bytes) -> None:
    raw = fast_client.post("/v1/predict", content=content)
    form = fast_client.post("/v1/predict", files={"file": ("p", content)})
    assert raw.status_code in (200, 422)
    assert form.status_code == raw.status_code
    if raw.status_code == 422:
        assert raw.json()["detail"].startswith("picture: ")
    else:
        (result,) = raw.json()["results"]
        assert result["error"] is None
        assert len(result["faces"]) == 1


@settings(quick, max_examples=60)
@given(content=damaged_pictures())
def test_a_real_detector_bears_what_can_be_decoded(
    careful_client: httpx.Client, content: bytes
) -> None:
    assert careful_client.post("/v1/predict", content=content).status_code in (200, 422)


@quick
@given(body=st.binary(max_size=300), boundary=st.sampled_from(["x", "", "\x01", "a" * 80]))
def test_any_form_is_read_or_refused(fast_client: httpx.Client, body: bytes, boundary: str) -> None:
    line = b"--" + boundary.encode()
    for content in (body, line + b"\r\n" + body + b"\r\n" + line + b"--\r\n"):
        answer = fast_client.post(
            "/v1/predict",
            content=content,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        assert answer.status_code in (400, 413, 422)


@pytest.fixture(scope="module")
def websocket(fast: Any) -> Iterator[ClientConnection]:
    with connect(fast.stream_url, ping_interval=None) as websocket:
        yield websocket


@quick
@given(content=anything)
def test_any_frame_is_answered_and_the_stream_goes_on(
    websocket: ClientConnection, content: bytes
) -> None:
    websocket.send(content)
    answer = json.loads(websocket.recv(PATIENCE_SECONDS))
    assert (answer["error"] is None) == (len(answer["faces"]) == 1)


@settings(quick, max_examples=60)
@given(messages=st.lists(st.one_of(anything, st.text(max_size=20)), max_size=6))
def test_any_messages_leave_the_server_alive(
    fast: Any, fast_client: httpx.Client, messages: list[str | bytes]
) -> None:
    with (
        connect(fast.stream_url, ping_interval=None) as websocket,
        contextlib.suppress(ConnectionClosed),
    ):
        for message in messages:
            websocket.send(message)
    assert fast_client.get("/healthz").status_code == 200


@settings(quick, max_examples=60)
@given(content=st.binary(min_size=1, max_size=100))
def test_bytes_that_are_no_frames_leave_the_server_alive(
    fast: Any, fast_client: httpx.Client, content: bytes
) -> None:
    with connect(fast.stream_url, ping_interval=None, close_timeout=0.01) as websocket:
        websocket.socket.sendall(content)
    assert fast_client.get("/healthz").status_code == 200


def test_the_service_is_as_its_document_says(fast: Any) -> None:
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        unsupported_method,
    ]
    schema = schemathesis.openapi.from_url(f"{fast.url}/openapi.json")
    operations = {(each := found.ok()).path: each for found in schema.get_all_operations()}
    assert len(operations) == 6
    # Only what takes a body can be asked wrongly.
    kinds = [(path, GenerationMode.POSITIVE) for path in operations]
    for path, mode in [*kinds, ("/v1/predict", GenerationMode.NEGATIVE)]:
        num_examples = 60 if path == "/v1/predict" else 5

        @settings(quick, max_examples=num_examples, phases=[Phase.explicit, Phase.generate])
        @given(case=operations[path].as_strategy(generation_mode=mode))
        def is_as_described(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=checks)

        is_as_described()
