"""The reports' systems, trained by mien on the real data: docs/reproduction.md, from run records.

    python benchmarks/reproduce.py                    writes the page from docs/runs/
    python benchmarks/reproduce.py --collect RUN...   first copies those runs' records there

A record is what a run folder holds without weights: recipe.toml, run.json, metrics.jsonl. A run
that was stopped counts with the epochs it did.
"""

import argparse
import json
import shutil
import statistics
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.evaluation import wilson_interval
from mien.models import architecture, count_macs, count_parameters, create_model
from mien.recipes import load_recipe
from mien.run_folder import INFO, METRICS, RECIPE, RunInfo, read_info, read_metrics

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "docs" / "runs"
PAGE = ROOT / "docs" / "reproduction.md"

# What the reports say: (report, accuracy in %), by architecture; None where it gives no figure.
REPORTED: dict[str, tuple[str, str]] = {
    "logistic": ("A", "about 31"),
    "feedforward": ("A", "-"),
    "plain_cnn": ("A", "-"),
    "small_resnet": ("A", "-"),
    "resnet9": ("B", "70"),
    "resnet9_elu": ("C", "-"),
    "compact_cnn": ("D", "61.4"),
    "emocnn": ("E", "59.6"),
    "emo2cnn": ("E", "58.1"),
    "emo3cnn": ("E", "51"),
    "emo4cnn": ("E", "53"),
    "emo5cnn": ("E", "62"),
    "emo6cnn": ("E", "worst"),
    "vgg16": ("E cites", "72"),
}

HEAD = """\
# Reproduction

The reports' systems, trained by mien under the recipes that carry their names. This page is written
by `python benchmarks/reproduce.py` from the records in [runs/](runs): what each run wrote itself,
without its weights. PrivateTest was not used.

*Best* is the epoch with the highest accuracy on the faces named under *measured on*, as the reports
count; it flatters, for that epoch was chosen on the same faces. *Last* is the last epoch and does
not. Intervals are Wilson's 95 %. FLOP = 6 x multiply-adds x faces seen. Minutes are wall clock on
2 cores, mostly with much other work beside: an idle machine takes half of them and less.
*bf16*: trained in bfloat16, measured in float32.

`_tenth` runs learnt from every tenth Training face, to show whether the recipe learns where full
length wants a GPU; they were stopped after the epochs given, or planned short. The reports (also
called by their letters elsewhere):

- A: *Facial expression recognition with PyTorch using four differently-approached models*, article
- B: *Facial Expression Recognition Using Pytorch*, article, 2020
- C: Garan, *Emotion Detection*, 2021
- D: O'Shea, *Facial Emotion Recognition with Data Augmentation*
- E: Anand, *CV Assignment 2*, 2023 (code: manyu252/EmotionRecognitionCV)

Every tenth face:

    awk -F, 'NR == 1 || $3 !~ /Training/ || NR % 10 == 2' fer2013.csv > fer2013-tenth.csv

"""

NOTES = """
Report D prints the losses of its run. Those of its first epochs on training faces (1.567, 1.414,
1.357) lie nearer to this net without dropout (1.606, 1.443, 1.377; seed 0, three epochs) than with
the .5 of its code (1.657, 1.486, 1.420): its text says that dropout was left out. The recipe keeps
the code's.

On a tenth of the faces VGG16 did not begin to learn within four epochs where its first step had the
full rate of 0.01 (`vgg16_tenth_no_warmup`: its accuracy is the share of the commonest expression);
warmed up (`vgg16_tenth`, planned with 12 epochs, not 60), it does. Its recipe therefore warms up.

What a report tells beside its best system is a recipe with a knob or two changed. Report E's
ablations, without augmentation and at a fixed rate (both over-fit, it says), and its untried idea,
max pools:

    mien train --recipe emo5cnn --data fer2013.csv --set augment.brightness=0 \\
        --set augment.contrast=0 --set augment.saturation=0
    mien train --recipe emo5cnn --data fer2013.csv --set schedule.name=constant \\
        --set optimizer.lr=1e-4
    mien train --recipe emo5cnn --data fer2013.csv --set model.options.pool=max
"""


@dataclass(frozen=True)
class Run:
    """The record of one run."""

    name: str
    recipe: dict[str, Any]
    info: RunInfo
    records: list[dict[str, Any]]

    @property
    def best(self) -> float:
        """The highest accuracy of any epoch."""
        return max(record["accuracy"] for record in self.records)

    @property
    def last(self) -> float:
        """The accuracy of the last epoch done."""
        return self.records[-1]["accuracy"]


def main() -> None:
    """Collects what is asked for and writes the page."""
    for run in runs_to_collect(__doc__):
        collect(run)
    runs = [read_run(folder) for folder in sorted(RECORDS.iterdir()) if folder.is_dir()]
    PAGE.write_text(page([run for run in runs if _architecture(run) in REPORTED]))
    print(f"{PAGE.relative_to(ROOT)}: {len(runs)} runs")


def runs_to_collect(description: str | None) -> list[Path]:
    """Returns the run folders that the command line names."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--collect", type=Path, nargs="*", default=[], metavar="RUN")
    return parser.parse_args().collect


def collect(run: Path) -> None:
    """Copies a run's record to docs/runs, its files' paths cut to their names."""
    target = RECORDS / run.name
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / RECIPE, target / RECIPE)
    shutil.copyfile(run / METRICS, target / METRICS)
    page = json.loads((run / INFO).read_text())
    for key in ("data", "votes", "init"):
        page[key] = Path(page[key]).name if page[key] else None
    page["teacher"] = [Path(name).name for name in page["teacher"] or []]
    (target / INFO).write_text(json.dumps(page, indent=2) + "\n")


def read_run(folder: Path) -> Run:
    """Returns the record in a folder."""
    recipe = tomllib.loads((folder / RECIPE).read_text())
    return Run(folder.name, recipe, read_info(folder), read_metrics(folder))


def page(runs: list[Run]) -> str:
    """Returns the page as Markdown."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        train = {**run.recipe["train"], "seed": 0}
        groups[json.dumps({**run.recipe, "train": train}, sort_keys=True)].append(run)
    ordered = sorted(groups.values(), key=lambda group: _order(_architecture(group[0])))
    lines = [
        "| recipe | parameters | MMAC | learnt from | measured on | seeds | epochs | minutes "
        "| FLOP | report % | best % | last % |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(row(group) for group in ordered),
    ]
    return HEAD + "\n".join(lines) + "\n" + NOTES + cost_table(ordered)


def row(group: list[Run]) -> str:
    """Returns the table row of runs that differ in their seed alone."""
    run = group[0]
    net, channels = _net(run.recipe)
    macs = count_macs(net, channels, run.recipe["data"]["input_size"])
    trained = [record for record in run.records if record["epoch"] > 0]
    done = "/".join(sorted({str(each.records[-1]["epoch"]) for each in group}))
    minutes = sum(record["seconds"] for record in trained) / 60
    flop = 6 * macs * run.info.train_faces * len(trained)
    seeds = ", ".join(str(each.recipe["train"]["seed"]) for each in group)
    precision = ", bf16" if run.recipe["train"].get("precision") == "bfloat16" else ""
    report, reported = REPORTED[_architecture(run)]
    return (
        f"| {run.name.rsplit('-', 1)[0]}{precision} | {count_parameters(net):,} "
        f"| {macs / 1e6:.1f} | {run.info.train_faces:,} "
        f"| {run.info.selection_faces:,} ({run.info.selection_split}) | {seeds} "
        f"| {done} of {run.recipe['train']['epochs']} | {minutes:.0f} | {flop:.1e} "
        f"| {reported} ({report}) | {_figure(group, 'best')} | {_figure(group, 'last')} |"
    )


def _figure(group: list[Run], which: str) -> str:
    values = [getattr(run, which) for run in group]
    mean = statistics.fmean(values)
    num_faces = group[0].info.selection_faces
    low, high = wilson_interval(round(mean * num_faces), num_faces)
    text = f"**{mean:.1%}** ({low:.1%} to {high:.1%})"
    if len(values) > 1:
        text += f", SD {100 * statistics.stdev(values):.1f}: " + ", ".join(
            f"{value:.1%}" for value in values
        )
    return text


def cost_table(groups: list[list[Run]]) -> str:
    """Returns what full length would cost for the recipes whose runs were not finished."""
    speeds = [
        6 * count_macs(*_sized(run.recipe)) * record["faces_per_second"]
        for group in groups
        for run in group
        for record in run.records
        if record["faces_per_second"] and _architecture(run).startswith(("emo", "resnet", "vgg"))
    ]
    unfinished = sorted(
        {
            _architecture(group[0])
            for group in groups
            if group[0].records[-1]["epoch"] < group[0].recipe["train"]["epochs"]
        },
        key=_order,
    )
    if not unfinished or not speeds:
        return ""
    lines = [
        "\n## Not trained to the end",
        "",
        f"Hours at full length on FER2013's 28,709 training faces at {max(speeds) / 1e9:.0f} "
        "GFLOP/s, the best an epoch above reached.",
        "",
        "| recipe | epochs | FLOP | hours |",
        "|---|---|---|---|",
    ]
    for name in unfinished:
        recipe = load_recipe(name)
        flop = 6 * count_macs(*_sized(recipe.model_dump())) * 28_709 * recipe.train.epochs
        lines.append(
            f"| {name} | {recipe.train.epochs} | {flop:.1e} | {flop / max(speeds) / 3600:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _sized(recipe: dict[str, Any]) -> tuple[Any, int, int]:
    net, channels = _net(recipe)
    return net, channels, recipe["data"]["input_size"]


def _net(recipe: dict[str, Any]) -> tuple[Any, int]:
    model, data = recipe["model"], recipe["data"]
    options = {"input_size": data["input_size"], **model["options"]}
    net = create_model(model["name"], 7 - len(data["drop"]), **options)
    return net, architecture(model["name"]).channels


def _architecture(run: Run) -> str:
    return run.recipe["model"]["name"]


def _order(name: str) -> int:
    return list(REPORTED).index(name)


if __name__ == "__main__":
    main()
