"""Progress of a run on stderr: a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from mien.training.loop import EpochRecord
from mien.training.state import TrainingState


def epoch_line(record: EpochRecord, num_epochs: int, is_brief: bool = False) -> str:
    """Returns a finished epoch in words; brief ones fit 80 columns."""
    if is_brief:
        return _brief_line(record, num_epochs)
    parts = [f"epoch {record.epoch:>{len(str(num_epochs))}}/{num_epochs}"]
    if record.train_loss is not None and record.train_accuracy is not None:
        parts.append(f"lr {record.learning_rate:.2e}")
        parts.append(f"train loss {record.train_loss:.4f} acc {record.train_accuracy:.2%}")
    parts.append(f"selection loss {record.log_loss:.4f} acc {record.accuracy:.2%}")
    if record.faces_per_second:
        parts.append(f"{record.faces_per_second:.0f} faces/s")
    return "  ".join(parts) + ("  best" if record.is_best else "")


def _brief_line(record: EpochRecord, num_epochs: int) -> str:
    line = f"epoch {record.epoch:>{len(str(num_epochs))}}/{num_epochs}"
    if record.train_loss is not None and record.train_accuracy is not None:
        line += f"  train {record.train_loss:.4f} {record.train_accuracy:.2%}"
    line += f"  selection {record.log_loss:.4f} {record.accuracy:.2%}"
    if record.faces_per_second:
        line += f"  {record.faces_per_second:.0f}/s"
    return line + ("  best" if record.is_best else "")


class _Live(ProgressColumn):
    """Loss, accuracy, learning rate, speed and time left, read from the state's counters."""

    max_refresh = 0.5

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state
        self.first_step, self.started = state.step, time.perf_counter()

    def render(self, task: Task) -> Text:
        now = self.state.progress
        if not now.num_faces:
            return Text("starting")
        seconds = time.perf_counter() - self.started
        steps = self.state.step - self.first_step
        left = self.state.recipe.train.epochs * self.state.steps_per_epoch - self.state.step
        minutes, rest = divmod(int(seconds / max(steps, 1) * left), 60)
        speed = steps * self.state.recipe.train.batch_size / seconds
        return Text(
            f"loss {float(now.loss_sum) / now.num_faces:.3f} "
            f"acc {float(now.num_correct) / now.num_faces:.1%} lr {now.learning_rate:.1e} "
            f"{speed:.0f} faces/s {minutes // 60}:{minutes % 60:02}:{rest:02} left"
        )


class _Epoch(ProgressColumn):
    """Moves the bar by the state's counters."""

    max_refresh = 0.2

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state

    def render(self, task: Task) -> Text:
        task.total = max(self.state.progress.num_planned, 1)
        task.completed = self.state.progress.num_faces
        epoch = min(max(self.state.epoch, 0) + 1, self.state.recipe.train.epochs)
        return Text(f"epoch {epoch}/{self.state.recipe.train.epochs}")


def words_console() -> Console:
    """Returns what prints lines on stderr: whole ones, but broken between words on a terminal."""
    console = Console(stderr=True, highlight=False)
    console.soft_wrap = not console.is_terminal
    return console


@contextmanager
def shown(state: TrainingState) -> Iterator[Console]:
    """Yields the console to print on, with a live bar below where that is a terminal."""
    console = words_console()
    if not (console.is_terminal and state.accelerator.is_main_process):
        yield console
        return
    columns = (_Epoch(state), BarColumn(20), _Live(state), TextColumn(""))
    with Progress(*columns, console=console, transient=True) as bar:
        bar.add_task("", total=1)
        yield console
