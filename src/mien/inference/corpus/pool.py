"""A pool of worker processes; a video that crashes one does not affect the others."""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import cast

from mien.errors import MienError
from mien.inference.corpus.worker import Finished, Reached, Task, VideoSettings, work
from mien.inference.read.overlap import PATIENCE_SECONDS
from mien.processors import count_cores

_STOP_SECONDS = 1.0
_LOOK_SECONDS = 1.0


@dataclass
class _Worker:
    process: SpawnProcess
    task: Task
    heard: float
    is_stalled: bool = False


def run_tasks(
    tasks: Sequence[Task],
    settings: VideoSettings,
    num_workers: int,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Generator[Reached | tuple[Task, Finished | str], None, None]:
    """Yields, as they happen, each task's progress and each finished task with its outcome.

    The outcome is `Finished`; or, if the task's process died, a text that completes "the process
    …". Closing the generator ends the processes at once.

    Args:
        tasks: The videos to read.
        settings: How to read them.
        num_workers: The largest number of processes at a time.
        patience_seconds: A process that decodes no frame for so long is ended.

    Raises:
        MienError: No worker can start, because the model or the detector cannot be loaded.
    """
    num_threads = max(1, count_cores() // num_workers)
    waiting = deque(tasks)
    workers: dict[Connection, _Worker] = {}

    try:
        while waiting or workers:
            while waiting and len(workers) < num_workers:
                connection, process = _start(settings, num_threads)
                workers[connection] = _Worker(process, waiting.popleft(), time.monotonic())
                _give(connection, workers[connection].task)
            for worker in workers.values():
                if time.monotonic() - worker.heard > patience_seconds:
                    worker.is_stalled = True
                    worker.process.kill()
            for connection in cast(list[Connection], wait(list(workers), _LOOK_SECONDS)):
                worker = workers[connection]
                worker.heard = time.monotonic()
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    del workers[connection]
                    connection.close()
                    how = _how_it_ended(worker.process)
                    if worker.is_stalled:
                        how = f"decoded nothing for {patience_seconds:g} s and was ended"
                    yield worker.task, how
                    continue
                if isinstance(message, MienError):
                    raise message
                if not isinstance(message, Finished):
                    if message is not None:
                        yield message
                    continue
                yield worker.task, message
                if waiting:
                    worker.task = waiting.popleft()
                    _give(connection, worker.task)
                else:
                    del workers[connection]
                    connection.close()  # which ends it
                    worker.process.join()
    finally:
        _stop(workers)


def _start(settings: VideoSettings, num_threads: int) -> tuple[Connection, SpawnProcess]:
    context = multiprocessing.get_context("spawn")  # threads that run here do not survive a fork
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, settings, num_threads), daemon=True)
    with _interrupts_held():
        process.start()
    theirs.close()  # the process has its own: now its end is seen when it dies
    return ours, process


def _give(connection: Connection, task: Task) -> None:
    with suppress(OSError):  # it died: the next look at it will show
        connection.send(task)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Holds Ctrl-C back: a process that starts meanwhile never sees it, this one a little later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how_it_ended(process: SpawnProcess) -> str:
    process.join()
    code = process.exitcode or 0
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}"


def _stop(workers: dict[Connection, _Worker]) -> None:
    for worker in workers.values():
        worker.process.terminate()
    for connection, worker in workers.items():
        worker.process.join(_STOP_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        connection.close()
