"""How many clients are served at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

RETRY_AFTER = {"Retry-After": "1"}
"""The header, in seconds: places become free all the time."""


class Clients:
    """Counts the clients being served, and refuses more than a limit; for the event loop only.

    A request counts from before its body is read until its answer is ready; a stream counts while
    it is open. Each client waits for its own answer, so the limit also bounds the queue and the
    memory for waiting pictures.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.count = limit, 0

    @property
    def is_full(self) -> bool:
        """Whether the next client is refused."""
        return self.count >= self.limit

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Counts one more client inside the `with` block.

        Raises:
            HTTPException: 429, if the limit is reached.
        """
        if self.is_full:
            detail = f"{self.limit} clients are being served; try again in a moment"
            raise HTTPException(429, detail, RETRY_AFTER)
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


class OneEach:
    """Takes a client at a time from each address, up to a limit; used on the event loop alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._addresses: set[str] = set()

    @contextmanager
    def one_more(self, address: str) -> Iterator[None]:
        """Counts a client in and, in the end, out.

        Raises:
            HTTPException: 429; all places are taken, or the address has one.
        """
        if address in self._addresses:
            raise HTTPException(429, "another video of yours is being read", RETRY_AFTER)
        if len(self._addresses) >= self._limit:
            detail = f"{self._limit} videos are being read; try again in a moment"
            raise HTTPException(429, detail, RETRY_AFTER)
        self._addresses.add(address)
        try:
            yield
        finally:
            self._addresses.remove(address)
