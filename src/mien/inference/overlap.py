"""Work that overlaps: items are made in a thread of their own, a bounded number ahead."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long a picture, or the next frame of a video, may take until it is given up."""

_JOIN_SECONDS = 10.0


def ahead(items: Iterable[T], weigh: Callable[[T], float]) -> Generator[T, None, None]:
    """Yields the items in their order; a thread of its own makes them before they are asked for.

    What the items raise is raised here, after those before it. Closing the generator ends the
    thread once it is done with the item in hand, and closes `items` there.

    Args:
        items: Iterated over in the thread, from the first `next` on.
        weigh: What part of the room an item takes; those that wait take up to 1 together, but
            one may always wait, however heavy.
    """
    line: _Line[T] = _Line()
    # A daemon: a generator that somebody keeps, half used, must not keep the program from ending.
    thread = threading.Thread(target=_fill, args=(line, items, weigh), name="ahead", daemon=True)
    thread.start()
    try:
        while (item := line.take()) is not None:
            yield item[0]
            del item  # a frame is large
    finally:
        line.leave()
        # Not for ever: Python may collect a forgotten generator in the thread it waits for; nor at
        # the program's end, when threads stand still.
        if thread is not threading.current_thread() and not sys.is_finalizing():
            thread.join(_JOIN_SECONDS)


def within(seconds: float, call: Callable[[], T]) -> T:
    """Returns what a call returns, which runs in a thread of its own.

    Raises:
        TimeoutError: It has not returned in time; the thread is left to itself.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="within", daemon=True).start()
    return answer.result(seconds)


class _Line(Generic[T]):
    """Items that wait for their turn, each with its weight."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, float]] = deque()
        self._weight = 0.0
        self._is_over = self._is_left = False
        self._error: BaseException | None = None

    def put(self, item: T, weight: float) -> bool:
        """Adds an item once there is room; returns whether anybody still takes them."""
        with self._changed:
            while self._waiting and self._weight + weight > 1 and not self._is_left:
                self._changed.wait()
            if not self._is_left:
                self._waiting.append((item, weight))
                self._weight += weight
                self._changed.notify_all()
            return not self._is_left

    def end(self, error: BaseException | None = None) -> None:
        """Says that no more will come, and why."""
        with self._changed:
            self._is_over, self._error = True, error
            self._changed.notify_all()

    def take(self) -> tuple[T] | None:
        """Returns the next item once there is one, or None at the end; raises what ended them."""
        with self._changed:
            while not self._waiting and not self._is_over:
                self._changed.wait()
            if self._waiting:
                item, weight = self._waiting.popleft()
                self._weight = self._weight - weight if self._waiting else 0.0
                self._changed.notify_all()
                return (item,)
            if self._error is not None:
                raise self._error
            return None

    def leave(self) -> None:
        """Says that no more will be taken."""
        with self._changed:
            self._is_left = True
            self._waiting.clear()
            self._changed.notify_all()


def _fill(line: _Line[T], items: Iterable[T], weigh: Callable[[T], float]) -> None:
    try:
        iterator = iter(items)
        try:
            for item in iterator:
                if not line.put(item, weigh(item)):
                    return
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        line.end()
    except BaseException as error:  # whatever it is, whoever takes the items must not wait for ever
        line.end(error)
