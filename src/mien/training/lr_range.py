"""The learning-rate range test: train while the rate grows, see where the loss falls and breaks.

L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3. There the
rate grows linearly and accuracy is drawn; here it grows exponentially, over decades, and the
training loss is.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mien.errors import UsageError
from mien.plots import write_figure
from mien.plots.search import draw_lr_range
from mien.recipes import load_recipe
from mien.training.data import TrainingSource, prepare, refuse_models
from mien.training.loop import descend, loss_of, views_and_targets
from mien.training.optimizers import set_rate
from mien.training.randomness import Randomness
from mien.training.search.result import write_table
from mien.training.state import TrainingState, seed_everything, start

CURVE, TABLE = "lr_range.png", "lr_range.csv"
MIN_STEPS, MAX_STEPS = 200, 500
WINDOW_FRACTION = 0.05
"""The loss is smoothed over so many of the steps; its level before is the mean of the first."""
DIVERGED = 2.0
"""The test stops when the smoothed loss is so many times what it was before."""


@dataclass(frozen=True)
class LrRange:
    """A learning-rate range test, step by step.

    Attributes:
        rates: Learning rate of every step.
        losses: Training loss of every step's batch.
        smoothed: The same, smoothed.
        lowest_at: The rate at the lowest smoothed loss; None where the loss never fell.
        broke_at: The rate at which, after that, the loss was back above its first level; None
            where it was not to the end of the range.
        suggested: A tenth of `broke_at`, or else of the range's end, and no more than
            `lowest_at`; None where the loss never fell.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    lowest_at: float | None
    broke_at: float | None
    suggested: float | None


def lr_range_test(
    recipe: str | Path,
    source: TrainingSource,
    output: str | Path,
    low: float,
    high: float,
    settings: Sequence[str] = (),
    max_faces: int | None = None,
    seed: int = 0,
) -> LrRange:
    """Returns the loss curve and a suggested rate; writes `lr_range.png` and `.csv` to `output`.

    Trains for one epoch, but at least 200 and at most 500 steps, while the rate grows from `low` to
    `high`. The suggestion is a tenth of the rate at which the loss is back at its first level, or
    the rate of the lowest loss if that is smaller.

    Args:
        recipe: A recipe's name or file; its schedule plays no part.
        source: The labelled set; its teacher, if any, is a file of logits.
        output: The folder for the two files; made where it is not there.
        low: The first learning rate.
        high: The last.
        settings: Changes of the recipe, `KEY=VALUE`.
        max_faces: Learn from so many faces only.
        seed: Decides which.

    Raises:
        UsageError: `low` is not below `high`; the recipe refuses a key or value.
        MissingError: The data is not there.
        BadInputError: The data cannot be read.
    """
    if not 0 < low < high < math.inf:
        raise UsageError(f"a learning-rate range goes from low to high, not {low:g} to {high:g}")
    refuse_models(source)
    faces = prepare(source, load_recipe(recipe, list(settings)), max_faces, seed)
    state = start(faces.recipe, faces.train, faces.selection)
    num_steps = min(max(state.steps_per_epoch, MIN_STEPS), MAX_STEPS)
    rates, losses, smoothed = [], [], []
    window = round(WINDOW_FRACTION * num_steps)
    average, weight = 0.0, 0.0
    for rate, loss in _steps(state, np.geomspace(low, high, num_steps).tolist()):
        average += (loss - average) / window
        weight += (1 - weight) / window
        if not math.isfinite(loss):
            break
        rates.append(rate)
        losses.append(loss)
        smoothed.append(average / weight)
        if smoothed[-1] > DIVERGED * np.mean(losses[:window]):
            break
    if len(rates) < window:
        raise UsageError(f"the loss is no number at a learning rate of {low:g} already")
    result = read_curve(rates, losses, smoothed, window, is_whole=len(rates) == num_steps)
    _write(Path(output), result)
    return result


def read_curve(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    window: int,
    is_whole: bool,
) -> LrRange:
    """Returns the range test with its suggestion, read off the curve.

    Args:
        rates: Learning rate of every step.
        losses: Training loss of every step's batch.
        smoothed: The same, smoothed.
        window: The mean loss of this many first steps counts as the loss before training.
        is_whole: Whether the test reached the highest rate; if not, the loss broke at its last
            step.
    """
    before = float(np.mean(losses[:window]))
    lowest = int(np.argmin(smoothed))
    broken = [rate for rate, loss in zip(rates, smoothed, strict=True) if loss > before]
    broken = [rate for rate in broken if rate > rates[lowest]]
    broke_at = next(iter(broken), None if is_whole else rates[-1])
    fell = lowest >= window
    return LrRange(
        rates=tuple(rates),
        losses=tuple(losses),
        smoothed=tuple(smoothed),
        lowest_at=rates[lowest] if fell else None,
        broke_at=broke_at,
        suggested=min((broke_at or rates[-1]) / 10, rates[lowest]) if fell else None,
    )


def _steps(state: TrainingState, rates: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Trains one step at each learning rate, as the training loop does; yields (rate, loss)."""
    recipe, face_classifier = state.recipe, state.face_classifier(state.bare_net)
    batch_size = recipe.train.batch_size
    seed, device, num_faces = recipe.train.seed, state.train_faces.device, len(state.train_faces)
    seed_everything(seed, 1, 0)
    randomness = Randomness.of(seed, 1, 0, device)
    orders = np.random.default_rng([seed, 1])
    batches = itertools.chain.from_iterable(
        torch.from_numpy(orders.permutation(num_faces)).split(batch_size)[: state.steps_per_epoch]
        for _ in itertools.count()
    )
    state.net.train()
    for rate, batch in zip(rates, batches, strict=False):
        indices = batch.to(device)
        size = recipe.data.input_size
        views, targets = views_and_targets(state, face_classifier, indices, 1, size, randomness)
        set_rate(state.optimizer, rate)
        with state.autocast():
            loss = loss_of(state, state.net(views), targets)
        yield rate, float(loss.detach())
        descend(state, loss)


def _write(output: Path, result: LrRange) -> None:
    output.mkdir(parents=True, exist_ok=True)
    steps = range(len(result.rates))
    rows = zip(steps, result.rates, result.losses, result.smoothed, strict=True)
    write_table(output / TABLE, ["step", "learning_rate", "loss", "smoothed_loss"], rows)
    figure = draw_lr_range(result.rates, result.losses, result.smoothed, result.suggested)
    write_figure(figure, output / CURVE)
