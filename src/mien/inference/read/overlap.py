"""Producing items ahead of their use, in a thread of its own and with a bounded queue."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long reading a picture, or the next frame of a video, may take."""

_JOIN_SECONDS = 10.0


def ahead(items: Iterable[T], weigh: Callable[[T], float]) -> Generator[T, None, None]:
    """Yields the items in their order; a thread produces them ahead of the consumer.

    An exception of `items` is raised here, after the items before it. Closing the generator lets
    the thread finish its current item, closes `items` in that thread, and ends it.

    Args:
        items: Iterated over in the thread, which starts with the first `next`.
        weigh: Returns an item's share of the queue. Waiting items sum to at most 1, but one item
            may always wait, however heavy.
    """
    handover = Handover(weigh)
    # A daemon: a generator that somebody keeps, half used, must not keep the program from ending.
    thread = threading.Thread(target=handover.fill, args=(items,), name="ahead", daemon=True)
    thread.start()
    try:
        while (item := handover.take()) is not None:
            yield item[0]
            del item  # a frame is large
    finally:
        handover.leave()
        # Not for ever: Python may collect a forgotten generator in the thread it waits for; nor at
        # the program's end, when threads stand still.
        if thread is not threading.current_thread() and not sys.is_finalizing():
            thread.join(_JOIN_SECONDS)


def within(seconds: float, call: Callable[[], T]) -> T:
    """Returns the result of `call`, which runs in a thread of its own.

    Raises:
        TimeoutError: It took longer than `seconds`; the thread is not stopped.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="within", daemon=True).start()
    return answer.result(seconds)


class Handover(Generic[T]):
    """A bounded queue between a producing and a consuming thread."""

    def __init__(self, weigh: Callable[[T], float] | None = None) -> None:
        """Begins empty.

        Args:
            weigh: Returns an item's share of the queue; the producer waits while the queue is full.
                Without it the producer never waits: an item replaces a waiting one of the same
                type, so only the newest frame is kept.
        """
        self._weigh = weigh
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, float]] = deque()
        self._weight = 0.0
        self._is_over = self._is_left = False
        self._error: BaseException | None = None

    def fill(self, items: Iterable[T]) -> None:
        """Puts all items, then their end or exception; stops once `leave` was called."""
        try:
            iterator = iter(items)
            try:
                for item in iterator:
                    if not self._put(item):
                        return
            finally:
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()
            self._end()
        except BaseException as error:  # whatever it is, who takes items must not wait for ever
            self._end(error)

    def has_come(self) -> bool:
        """Waits; returns whether there is an item, False at the end; raises what `items` raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            if not self._waiting and self._error is not None:
                raise self._error
            return bool(self._waiting)

    def take(self) -> tuple[T] | None:
        """Waits; returns a tuple of the next item, None at the end; raises what `items` raised."""
        with self._changed:
            if not self.has_come():
                return None
            item, weight = self._waiting.popleft()
            self._weight = self._weight - weight if self._waiting else 0.0
            self._changed.notify_all()
            return (item,)

    def leave(self) -> None:
        """Ends consumption: drops waiting items, and lets a waiting `take` return None."""
        with self._changed:
            self._is_over = self._is_left = True
            self._waiting.clear()
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """Adds an item once there is room; returns whether anybody still takes them."""
        weight = 0.0 if self._weigh is None else self._weigh(item)
        with self._changed:
            if self._weigh is None and self._waiting and type(self._waiting[-1][0]) is type(item):
                self._waiting.pop()
            self._changed.wait_for(
                lambda: not self._waiting or self._weight + weight <= 1 or self._is_left
            )
            if not self._is_left:
                self._waiting.append((item, weight))
                self._weight += weight
                self._changed.notify_all()
            return not self._is_left

    def _end(self, error: BaseException | None = None) -> None:
        with self._changed:
            self._is_over, self._error = True, error
            self._changed.notify_all()
