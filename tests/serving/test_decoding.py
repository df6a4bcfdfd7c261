"""Pictures that are made to be slow or large, and what happens to everybody else's."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from made_picture import many_scans
from mien.errors import BadInputError
from mien.inference import Analyzer
from mien.inference.see.retinaface import RetinaFace
from mien.serving.app import create_app
from mien.serving.decoding import Decoder, PixelBudget, Room
from mien.serving.settings import Settings

PATIENCE_SECONDS = 30


def encode(width: int, height: int, kind: str = "PNG", mode: str = "L", **options: Any) -> bytes:
    stream = BytesIO()
    Image.new(mode, (width, height)).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with closing(Decoder(Settings(decode_seconds=20), Room())) as decoder:
        yield decoder


@pytest.fixture(scope="module")
def strict(serve: Any, analyzer: Analyzer) -> Iterator[Any]:
    settings = Settings(max_pixels=5_000_000)
    with serve(create_app(settings, analyzer)) as running:
        httpx.post(f"{running.url}/v1/predict", content=encode(8, 8))
        yield running


def test_what_takes_too_long_is_refused_and_the_next_is_read() -> None:
    with closing(Decoder(Settings(decode_seconds=0.5), Room())) as decoder:
        with pytest.raises(BadInputError, match=r"slow: takes longer than 0.5 s to decode"):
            decoder.decode(many_scans(190, 6000), "slow", PixelBudget(10**9))
        assert decoder.decode(encode(30, 20), "after", PixelBudget(10**9)).rgb.shape == (20, 30, 3)


def test_a_jpeg_of_a_thousand_scans_is_refused_undecoded(decoder: Decoder) -> None:
    with pytest.raises(BadInputError, match=r"slow: a JPEG of 1\d\d\d scans; 200 are decoded"):
        decoder.decode(many_scans(1000, 100), "slow", PixelBudget(10**9))


def test_jpeg_2000_is_not_decoded_for_strangers(client: httpx.Client) -> None:
    for options in ({}, {"no_jp2": True}):
        answer = client.post("/v1/predict", content=encode(64, 64, "JPEG2000", **options))
        assert answer.status_code == 422
        assert "JPEG 2000 pictures are not read here" in answer.json()["detail"]


def test_the_pictures_of_a_request_share_its_pixels(strict: Any) -> None:
    picture = encode(2000, 1000)
    files = [("file", (f"{index}.png", picture)) for index in range(4)]
    answer = httpx.post(f"{strict.url}/v1/predict", files=files, timeout=PATIENCE_SECONDS)
    errors = [result["error"] for result in answer.json()["results"]]
    assert sum(error is None for error in errors) == 2
    refused = {error.partition(": ")[2] for error in errors if error is not None}
    assert refused == {"the pictures of one request may have 5 megapixels together"}


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_picture_is_read_smaller_and_told_in_its_own_pixels(
    client: httpx.Client, orientation: int
) -> None:
    face = Image.fromarray(astronaut()).resize((2001, 2001))
    large = Image.new("RGB", (5003, 3001), (90, 90, 90))
    large.paste(face, (1400, 500))
    stored = large.rotate(90, expand=True) if orientation == 6 else large
    exif, stream = Image.Exif(), BytesIO()
    exif[0x0112] = orientation
    stored.save(stream, "JPEG", exif=exif)
    (result,) = client.post("/v1/predict", content=stream.getvalue()).json()["results"]
    assert (result["width"], result["height"]) == (5003, 3001)
    (found,) = result["faces"]
    (alone,) = RetinaFace().detect(np.asarray(large))
    assert found["box"] == pytest.approx(alone.box, abs=12)
    assert found["landmarks"][0] == pytest.approx(alone.landmarks[0], abs=12)  # type: ignore[index]


def test_a_decoder_that_dies_is_replaced(decoder: Decoder) -> None:
    """As the system's out-of-memory killer, or a bug of a decoder, would end it."""
    budget = PixelBudget(10**9)
    assert decoder.decode(encode(30, 20), "first", budget).rgb.shape == (20, 30, 3)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(decoder.decode, many_scans(190, 4000), "slow", budget)
        time.sleep(0.1)
        assert decoder._process is not None
        assert decoder._process.pid is not None
        os.kill(decoder._process.pid, signal.SIGKILL)
        with pytest.raises(BadInputError, match="slow: damaged, or needs more than 500 MB"):
            slow.result(PATIENCE_SECONDS)
    assert decoder.decode(encode(30, 20), "after", budget).rgb.shape == (20, 30, 3)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="limits memory on Linux")  # noqa: PTH110
def test_memory_has_a_limit() -> None:
    with closing(Decoder(Settings(decode_megabytes=60), Room())) as decoder:
        with pytest.raises(BadInputError, match=r"memory|MB"):
            decoder.decode(encode(6000, 6000), "large", PixelBudget(10**9))
        assert decoder.decode(encode(30, 20), "after", PixelBudget(10**9)).rgb.shape == (20, 30, 3)


def test_decoded_pictures_wait_for_room() -> None:
    room = Room(100)
    room.take(70)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(room.take, 40)
        assert not waiting.done()
        room.give_back(70)
        waiting.result(PATIENCE_SECONDS)
        larger_than_all = pool.submit(room.take, 1000)
        room.give_back(40)
        larger_than_all.result(PATIENCE_SECONDS)


def test_the_end_does_not_wait_for_a_decode(serve: Any, analyzer: Analyzer) -> None:
    app = create_app(Settings(decode_seconds=PATIENCE_SECONDS), analyzer)
    with serve(app):
        batcher = app.state.service.batcher
        batcher.submit(encode(8, 8), "warm").result(PATIENCE_SECONDS)
        slow = [batcher.submit(many_scans(190, 4000), "slow") for _ in range(3)]
        start = time.monotonic()
    assert time.monotonic() - start < 10  # decoding all would take minutes
    assert slow[0].result(0).error is not None
