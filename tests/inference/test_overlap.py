"""Items made ahead of time in a thread: order, bounds, errors, and its end."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.inference.read import pictures as reading
from mien.inference.read.overlap import Handover, ahead
from mien.inference.read.sources import find_sources

SECONDS = 10  # nothing here takes this long, unless it hangs


class Source:
    """Counts up, and tells when it was asked, in which thread, and whether it was closed."""

    def __init__(self, error: Exception | None = None, until: int = 1_000_000) -> None:
        self.made: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.closed = threading.Event()
        self.reached = {number: threading.Event() for number in range(20)}
        self.error, self.until = error, until

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.until):
                self.threads.add(threading.current_thread())
                self.made.append(number)
                if number in self.reached:
                    self.reached[number].set()
                yield number
            if self.error is not None:
                raise self.error
        finally:
            self.closed.set()


def test_all_come_in_order_from_one_other_thread() -> None:
    source = Source(until=1000)
    assert list(ahead(source, lambda _: 0.1)) == list(range(1000))
    (thread,) = source.threads
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_so_many_are_made_ahead_and_no_more() -> None:
    source = Source()
    items = ahead(source, lambda _: 0.25)
    assert source.made == [], "nothing before the first is asked for"
    assert next(items) == 0
    assert source.reached[5].wait(SECONDS)  # four wait, one more is made and finds no room
    assert source.made == [0, 1, 2, 3, 4, 5]
    assert next(items) == 1
    assert source.reached[6].wait(SECONDS)
    items.close()
    assert source.made == [0, 1, 2, 3, 4, 5, 6]


def test_an_item_heavier_than_the_room_passes_alone() -> None:
    source = Source(until=20)
    assert list(ahead(source, lambda number: 7.0 if number % 2 else 0.1)) == list(range(20))


def test_an_error_comes_after_the_items_before_it() -> None:
    items = ahead(Source(ValueError("broken"), until=3), lambda _: 0.1)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_closing_early_ends_the_thread_and_closes_the_source() -> None:
    source = Source()
    items = ahead(source, lambda _: 0.25)
    next(items)
    items.close()
    assert source.closed.is_set()
    assert not any(thread.is_alive() for thread in source.threads)


def test_closing_one_of_two_in_a_row_ends_both() -> None:
    source = Source()
    inner = ahead(source, lambda _: 0.25)
    outer = ahead(inner, lambda _: 0.25)
    assert next(outer) == 0
    outer.close()
    assert source.closed.is_set()
    assert not any(thread.name == "ahead" for thread in threading.enumerate())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
def test_a_pipe_that_nobody_writes_to_is_an_error_and_the_next_is_read(tmp_path: Path) -> None:
    for name in ("a.png", "b.mp4"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "c.ppm").write_bytes(b"P6 2 2 255\n" + bytes(12))
    stalled, video, good = reading.read_pictures(find_sources([tmp_path]), None, 0.3)
    assert stalled.error is not None and "a.png: could not be read within 0.3 s" in stalled.error
    assert video.error is not None and "b.mp4: is a pipe or a device" in video.error
    assert good.rgb is not None
    with (tmp_path / "a.png").open("wb"):  # lets the thread go that waits
        pass


def test_where_nobody_waits_the_latest_of_a_type_stays() -> None:
    handover: Handover[int | str] = Handover()
    handover.fill([1, 2, "lost", 3, 4])
    assert handover.has_come()
    taken = [handover.take() for _ in range(4)]
    assert taken == [(2,), ("lost",), (4,), None]
    assert not handover.has_come()


def test_what_ended_the_items_is_raised_after_them_and_leaving_ends_the_wait() -> None:
    def items():
        yield 1
        raise OSError("gone")

    handover: Handover[int] = Handover()
    handover.fill(items())
    assert handover.take() == (1,)
    with pytest.raises(OSError, match="gone"):
        handover.take()
    left: Handover[int] = Handover()
    threading.Timer(0.05, left.leave).start()
    assert left.take() is None
