"""`mien tune`: a recipe and what to vary → trials and the best recipe."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import AsJson, Data, RecipeName, SkipBad, Teacher, Votes, Without
from mien.cli.output import need, note, print_json, print_parts, tell, try_next, wrapped
from mien.errors import MienError, UsageError
from mien.memory import reuse_freed_memory
from mien.text import counted

if TYPE_CHECKING:
    from mien.training.lr_range import LrRange
    from mien.training.search import SearchResult


Output = Annotated[
    Path, typer.Option(help="The study's folder; its name is the study's name in --storage.")
]
Searches = Annotated[
    list[str] | None,
    typer.Option(
        "--search",
        metavar="KEY=VALUES",
        help="Vary a knob: optimizer.lr=log(1e-4,1e-2), optimizer.momentum=uniform(0,0.99), "
        "train.batch_size=int(16,256), optimizer.name=adam,adamax,sgd. Repeat it for more.",
    ),
]
Trials = Annotated[int, typer.Option(min=1, help="Trials in all; those of earlier calls count.")]
Fixed = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Fix a knob: train.epochs=6."),
]
MaxFaces = Annotated[
    int | None, typer.Option(min=2, help="Learn from so many faces only, drawn per class.")
]
Seed = Annotated[
    int, typer.Option(min=0, help="Decides what is proposed and which faces are drawn.")
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The study's database, to share it between machines: "
        "postgresql+psycopg://user@host/name; by default study.db in --output.",
    ),
]
Prune = Annotated[
    bool,
    typer.Option(help="Stop trials that are worse than the median at the same epoch."),
]
Range = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="Instead of a search, train an epoch while the learning rate grows, such as "
        "from 1e-6,1: draws the loss and suggests a rate.",
    ),
]


def tune(
    recipe: RecipeName,
    data: Data,
    output: Output,
    searches: Searches = None,
    trials: Trials = 20,
    settings: Fixed = None,
    max_faces: MaxFaces = None,
    seed: Seed = 0,
    storage: Storage = None,
    prune: Prune = True,
    lr_range: Range = None,
    skip_bad: SkipBad = False,
    votes: Votes = None,
    teacher: Teacher = None,
    without: Without = None,
    as_json: AsJson = False,
) -> None:
    """Search a recipe's best settings.

    Every trial trains a fresh network; every value of a list is tried before any is tried again.
    The same command goes on with a search that was stopped, and run twice at once shares it.
    Writes trials.csv, best.toml (for `mien train --recipe`) and plots to --output.
    """
    need("optuna", "train")
    reuse_freed_memory()
    from mien.training import TrainingSource
    from mien.training.lr_range import lr_range_test
    from mien.training.search import search

    source = TrainingSource(data, votes, tuple(teacher or ()), skip_bad, without)
    if lr_range is not None:
        if searches or storage:
            raise UsageError("--lr-range is a test of its own: leave --search and --storage out")
        low, high = _read_range(lr_range)
        curve = lr_range_test(recipe, source, output, low, high, settings or [], max_faces, seed)
        if as_json:
            print_json(asdict(curve))
        else:
            words = ("train", "--recipe", recipe, "--data", data)
            _print_curve(curve, high, output, words)
        return
    try:
        result = search(
            recipe,
            source,
            output,
            searches or [],
            settings=settings or [],
            num_trials=trials,
            max_faces=max_faces,
            seed=seed,
            storage=storage,
            prune=prune,
        )
    except KeyboardInterrupt as interrupt:
        words = f"what is finished is in {output}; go on with the same command"
        raise KeyboardInterrupt(words) from interrupt
    if as_json:
        print_json(result.to_json_dict())
    else:
        _print_result(result)
    if result.best is None:
        raise MienError(f"no trial ran to its end; see {output}")
    command = f"mien train --recipe {output / 'best.toml'} --data {data}"
    if result.recipe is not None and result.recipe.train.vote_weight:
        command += f" --votes {votes}"
    if result.recipe is not None and result.recipe.train.teacher_weight:
        command += "".join(f" --teacher {name}" for name in teacher or ())
    if without:
        command += f" --without {without}"
    note(f"train with it: {command}")
    states = Counter(trial.state for trial in result.trials)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    tell(
        f"{counted(len(result.trials), 'trial')}: {counts}",
        f"written: trials.csv, best.toml, history.png, knobs.png in {output}",
    )


def _print_curve(curve: "LrRange", high: float, output: Path, words: Sequence[object]) -> None:
    if curve.suggested is None:
        low = curve.rates[0]
        raise MienError(f"the loss never fell between {low:g} and {high:g}: see {output}")
    typer.echo(f"optimizer.lr={curve.suggested:.2g}")
    broke = f"breaks at {curve.broke_at:.2g}" if curve.broke_at else f"holds to {high:g}"
    note(f"the loss is lowest at {curve.lowest_at:.2g} and {broke}; see {output}")
    tell(try_next(*words, "--set", f"optimizer.lr={curve.suggested:.2g}"))


def _read_range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(word) for word in text.strip("[]() ").split(","))
    except ValueError as error:
        message = f"--lr-range {text!r}: expected two numbers, such as 1e-6,1"
        raise UsageError(message) from error
    return low, high


def _print_result(result: "SearchResult") -> None:
    from rich.table import Table

    from mien.training.search.result import short

    is_narrow = sys.stdout.isatty()  # a file or pipe gets the whole names
    keys = list(result.trials[0].settings) if result.trials else []
    ends = [key.rpartition(".")[2] for key in keys]
    heads = [
        end.replace("_", "\n") if is_narrow and ends.count(end) == 1 else key
        for key, end in zip(keys, ends, strict=True)
    ]
    best = "best" if is_narrow else "complete (best)"
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("trial", justify="right")
    table.add_column("state")
    measured = (result.metric, "epoch", "seconds")
    if is_narrow:
        measured = (result.metric.replace("_", "\n"), "epoch", "s")
    for column in measured:
        table.add_column(column, justify="right")
    for head in heads:
        table.add_column(head, overflow="fold")
    for trial in result.trials:
        table.add_row(
            str(trial.number),
            best if trial is result.best else trial.state,
            "" if trial.value is None else f"{trial.value:.4f}",
            "" if trial.epoch is None else str(trial.epoch),
            "" if trial.seconds is None else f"{trial.seconds:.{0 if is_narrow else 1}f}",
            *(short(trial.settings.get(key), 3 if is_narrow else 4) for key in keys),
        )
    print_parts(table)
    if result.best is not None:
        words = "  ".join(f"{key}={short(value)}" for key, value in result.best.settings.items())
        typer.echo(f"best: {result.metric} {result.best.value:.4f} at epoch {result.best.epoch}")
        typer.echo(wrapped(words))
