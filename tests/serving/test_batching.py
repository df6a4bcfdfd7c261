from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from mien.inference import Analyzer, FrameResult
from mien.inference.detection import Detection
from mien.serving.batching import BATCH_PICTURES, Batcher
from mien.serving.metrics import Metrics
from mien.serving.settings import Settings


def test_requests_of_several_clients_are_classified_in_one_go(
    gated: Any, gate: Any, counting: Any, grey_png: bytes
) -> None:
    with ThreadPoolExecutor() as pool:
        url = f"{gated.url}/v1/predict"
        first = pool.submit(httpx.post, url, content=grey_png)
        gate.wait_for_one()  # and while the first is looked at, five more come
        others = [pool.submit(httpx.post, url, content=grey_png) for _ in range(5)]
        while gated.app.state.service.batcher.num_decoded < 5:
            assert not first.done()
        gate.opened.set()
        assert [answer.result().status_code for answer in [first, *others]] == [200] * 6
    assert counting.num_faces == [1, 5]
    counted = httpx.get(f"{gated.url}/metrics").text
    assert "mien_batch_pictures_count 2.0" in counted
    assert "mien_batch_pictures_sum 6.0" in counted


@pytest.fixture
def batcher(counting: Any, gate: Any) -> Batcher:
    return Batcher(Analyzer(counting, gate), Settings(), Metrics())


def test_batches_are_of_limited_size_and_in_order(
    batcher: Batcher, gate: Any, counting: Any, grey_png: bytes
) -> None:
    gate.opened.set()
    names = [str(index) for index in range(BATCH_PICTURES + 3)]
    answers = [batcher.submit(grey_png, name) for name in names]
    batcher.start()
    assert [answer.result().source for answer in answers] == names
    assert sum(counting.num_faces) == len(names)
    assert max(counting.num_faces) <= BATCH_PICTURES
    batcher.close()


def test_what_is_decoded_is_answered_before_the_end(
    batcher: Batcher, gate: Any, grey_png: bytes
) -> None:
    answers = [batcher.submit(grey_png, "one") for _ in range(3)]
    batcher.start()
    gate.wait_for_one()
    with ThreadPoolExecutor() as pool:
        closing = pool.submit(batcher.close)
        gate.opened.set()
        closing.result()
    assert any(answer.result(0).error is None for answer in answers)
    assert not batcher.is_working


def test_what_nobody_waits_for_is_not_looked_at(
    batcher: Batcher, gate: Any, grey_png: bytes
) -> None:
    gate.opened.set()
    kept, given_up = batcher.submit(grey_png, "kept"), batcher.submit(grey_png, "given up")
    assert given_up.cancel()
    batcher.start()
    assert kept.result().error is None
    batcher.close()
    assert len(gate.sizes) == 1


class StumblesOverTall:
    def detect(self, rgb: np.ndarray) -> list[Detection]:
        if len(rgb) > 50:
            raise ValueError("too tall for me")
        return []


def test_a_picture_that_breaks_the_detector_fails_alone(counting: Any) -> None:
    batcher = Batcher(Analyzer(counting, StumblesOverTall()), Settings(), Metrics())
    answers = [batcher.submit(b"P6 2 %d 255\n" % h + bytes(6 * h), str(h)) for h in (40, 60, 45)]
    bad = batcher.submit(b"no picture", "bad")
    batcher.start()
    assert answers[0].result() == FrameResult("40", 2, 40)
    assert answers[2].result() == FrameResult("45", 2, 45)
    with pytest.raises(ValueError, match="too tall"):
        answers[1].result()
    assert bad.result().error == "bad: text, not a picture"
    assert batcher.submit(b"P6 2 40 255\n" + bytes(240), "after").result().error is None
    batcher.close()
