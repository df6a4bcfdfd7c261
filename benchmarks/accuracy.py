"""mien's own nets: docs/accuracy.md, its plot against training FLOP, the README's first tables.

    python benchmarks/accuracy.py --collect RUN ...   keeps the records of finished runs first
    python benchmarks/accuracy.py                     writes all of it from docs/runs

Every figure is what a run's export measured and wrote into its model's config; the README's are
those of the models inside.
"""

import json
import statistics
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from mien.model_folder import TrainingRecord, read_config, resolve
from mien.plots.style import BLUE, LINE_COLOURS, finish_axes, new_figure, write_figure
from mien.recipes import list_recipes
from mien.run_folder import read_info
from reproduce import RECORDS, ROOT, collect, runs_to_collect

PAGE = ROOT / "docs" / "accuracy.md"
PICTURE = ROOT / "docs" / "pictures" / "accuracy.png"
README = ROOT / "README.md"
BEGIN, END = "<!-- the models inside -->", "<!-- their end -->"
SUMMARY = "summary.json"
VOTES = "votes.json"
"""What `mien evaluate fer2013 --data … --votes … --split PublicTest --json` has under `votes`."""

REPORT_B = ("report B, ResNet9", 9.7e15, 0.70)
LITERATURE = ("single nets in the literature", (3e16, 2e17), (0.725, 0.73))

HEAD = """\
# Accuracy for its cost

mien's own nets, trained from scratch on FER2013's 28,709 Training faces and measured on PublicTest
(3,589 faces) with the averaged weights of the last epoch; every finished run is listed. Recipes
were chosen on PublicTest, so the figures flatter a little; PrivateTest was not touched. Intervals
are Wilson's 95 %, of chance in the faces alone. FLOP = 6 x multiply-adds x faces seen, summed over
resolutions. Minutes are wall clock on the cores and threads that each run's `run.json` names.
*TTA*: logits averaged over three zooms and their mirror images; test-time-views.md has what they
buy. Runs whose name is not a recipe's were trials; `docs/runs` has the recipe of each (the
descriptions in those of `mien_s` and `mien_m` are of earlier ones).

    mien train --recipe mien_s --data fer2013.csv.xz --set train.seed=0
    mien evaluate RUN --data fer2013.csv.xz --split PublicTest --tta --json

`mien_s` with both cores of an idle machine to itself takes 26 minutes: its epochs were timed at 32,
40 and 44 px (53, 67 and 77 s) and summed over the 10, 7 and 7 of them.

`mien_m_plus` is apart from the rest, for it learns from more than FER2013's labels: from a teacher
that knows how FER+'s ten annotators voted. The teacher is three `mien_s`, each trained without a
third of the Training faces and asked about that third, and a logistic regression of the labels on
what they say and on the votes, each fifth of the faces by a fit without it. The table's FLOP and
minutes leave those three nets out: 5.7e14 FLOP more. The first two lines made it; `docs/teachers`
keeps what each wrote, so that the third is enough to train. Given the votes and what nets say that
did not learn the face, the teacher tells 72.0 % of the Training labels (log loss 0.766); the nets
alone 68.5 % (0.881).

The nets of this table are taught and judged by FER2013's own labels, each the word that a picture
was found by on the web. [which-labels.md](which-labels.md) says what those are worth; nets taught
by the votes of annotators have a table of their own, [below](#taught-by-votes).

    python benchmarks/out_of_fold.py --data fer2013.csv.xz --recipe mien_s --folds 3 --output FOLDS
    python benchmarks/out_of_fold.py --data fer2013.csv.xz --average FOLDS --votes fer2013new.csv \\
        --output docs/teachers/mien_m_plus.npz
    mien train --recipe mien_m --data fer2013.csv.xz --teacher docs/teachers/mien_m_plus.npz \\
        --set train.teacher_weight=0.6 --set train.label_smoothing=0 --set train.epochs=40 \\
        --set augment.resampling=bilinear

`mien_m_from_votes` and `mien_m_student` are not from scratch: the first goes on from
`mien_m_votes-0`, which learnt from votes (`--init default`), the second from the first, and is
taught by the first and `mien_m-0`. Their FLOP and minutes leave out what came before; the student's
hold its teachers' answers. All four nets together took 5.7e15 FLOP.

    mien train --recipe mien_m_from_votes --init default --data fer2013.csv
    mien train --recipe mien_m_student --init FROM_VOTES --teacher FROM_VOTES --teacher MIEN_M \\
        --data fer2013.csv

"""

FOOT = """
![Accuracy against training FLOP](pictures/accuracy.png)

What the trials say: `mien_s_31_mixup` (seven epochs more, with mixup) gains with one view and
nothing with test-time views; `mien_s_rate_02` (the kernels' peak rate 0.02, not 0.01) loses with
them. CutMix, targets that follow the net and a local last stage were tried and left the nets
behind; the repository's history has them.

`mien_m_52` is `mien_m` with 52 epochs and faces resampled with linear weights only. Those soften:
the net never saw a face as sharp as its file, and such a face is what one view shows it. With
linear or cubic weights at random (`augment.resampling`) and eight epochs more, one view gains 1.8
points and test-time views, most of which are resampled, 0.5 (against the mean of two seeds).
`mien_m_branch_0` (residual branches that start at 0, smaller squares erased, more mixup, 8 epochs
less) is 0.4 points behind `mien_m_52` with test-time views, and its Grad-CAM is better
(explain.md). Branches that start at 0 do not suit the 26 epochs of `mien_s_branch_0`, with squares
of 6 pixels erased or without (another seed, more mixup). `mien_m_plus` has the best log loss of
all, and fewer faces right than `mien_m`: the teacher made its probabilities truer, not its first
choice. It had 20 epochs less, linear weights only, and mixup on targets that were soft already.
`mien_m-0` is inside as `--model fer2013`.

`mien_xs_labels-0` is the smallest net, taught by the labels (three tenths of its target) and by
`mien_m-0` (seven tenths) for 24 epochs: a first try at small and quick on FER2013's own labels. It
was still gaining at the end.

    mien train --recipe mien_xs --data fer2013.csv --teacher MIEN_M --set train.epochs=24 \\
        --set train.vote_weight=0 --set train.selection_truth=labels --set augment.photo.faces=0 \\
        --set augment.scale_fraction=0.12

`mien_m_from_votes-0` needs 24 epochs after the votes to read as many faces right as `mien_m-0`, and
its probabilities are truer; with more mixup its one-view accuracy stays within 0.2 points from
epoch 19 on, where `mien_m-0` loses 0.6 in its last ten. The two err on different faces:

    python benchmarks/ensemble.py --data fer2013.csv FROM_VOTES MIEN_M

| nets | one view % | TTA % | log loss, one view | log loss, TTA |
|---|---|---|---|---|
| mien_m_from_votes-0 | 70.60 | 71.80 | 0.8441 | 0.8117 |
| mien_m-0 | 70.74 | 71.75 | 0.8915 | 0.8352 |
| all together | 72.05 | 72.53 | 0.8208 | 0.7968 |

`mien_m_from_votes_plus-1` is `mien_m_from_votes` for 32 epochs (seed 1) with four tenths of its
target from the teacher of `mien_m_plus`, which never saw the face it is asked about, and no
smoothing: as many faces right with test-time views, and by far the truest probabilities of any
single net. Its first five epochs had two threads and the rest one, beside other work, hence its
minutes. Six tenths from that teacher and 30 epochs (`mien_m_from_votes_plus_06-2`, seed 2) read
fewer faces right, 0.7 points with test-time views. All that was trained from FER2013's own labels
before that one, together:

    mien train --recipe mien_m_from_votes --init default --data fer2013.csv \\
        --teacher docs/teachers/mien_m_plus.npz --set train.seed=1 --set train.epochs=32 \\
        --set train.teacher_weight=0.4 --set train.label_smoothing=0.0
    python benchmarks/ensemble.py --data fer2013.csv FROM_VOTES FROM_VOTES_PLUS MIEN_M MIEN_M_52

| nets | one view % | TTA % | log loss, one view | log loss, TTA |
|---|---|---|---|---|
| mien_m_from_votes-0 | 70.60 | 71.80 | 0.8441 | 0.8117 |
| mien_m_from_votes_plus-1 | 70.99 | 71.69 | 0.8091 | 0.7894 |
| mien_m-0 | 70.74 | 71.75 | 0.8915 | 0.8352 |
| mien_m_52-1 | 68.43 | 71.25 | 0.9247 | 0.8493 |
| all together | 72.16 | 72.61 | 0.8065 | 0.7885 |

`mien_m_student-0` matches what these two say together of each mixed view (mixup with weights from
Beta(1, 1), no label at all; Beyer et al. 2022), and ends the schedule at a twentieth of the peak:
the best log loss of the three alone, 0.8073, but 0.5 points fewer faces right than its teachers
each, and 1.2 fewer than both. One seed each; the standard error of a difference of two of them is
0.4 to 0.6 points (one is right and the other wrong on 5 to 12 % of the faces). What it does not
settle: the teachers know their training faces, so on those they mostly repeat the label; 42 epochs
may be few for mixtures this strong; a weaker mixup was not tried.

On PrivateTest, FER2013's test set, which no choice of ours ever saw, `mien_m-0` was measured once,
by a holder of the whole file and after all choices: **73.25 %** with test-time views (71.8 to
74.7), 71.36 % with one (69.9 to 72.8), n = 3,589. Whoever has the file can repeat it:

    mien evaluate fer2013 --data fer2013.csv --split PrivateTest --tta

That was before the weights of the model inside were rounded to half precision
([int8.md](int8.md)): on PublicTest no answer of one view changed, and with test-time views the
accuracy went from 71.75 to 71.77 %.

The other points are not of one kind: report B's 70 % is of its own validation faces, the
literature's 72.5 to 73 % of PrivateTest, their FLOP computed from network and epochs.
"""

VOTES_HEAD = """
## Taught by votes

Nets that learn what share of FER+'s ten annotators chose each expression, and are selected by these
votes, not by FER2013's label. On the 3,186 PublicTest faces whose annotators agree on one of the
seven expressions: the majority read, mean recall over the expressions, cross-entropy to the shares
of the votes (these have an entropy of 0.3882 themselves), calibration error against the shares.
*False alarms*: of the 719 faces that eight of ten call neutral, those read angry, sad, afraid or
disgusted; `mien_m-0`, taught by FER2013's labels, has 38.39 there, and reads 68.71 % of the
majorities. FER+'s paper (Barsoum et al. 2016, VGG13, eight classes with contempt, FER2013's
PrivateTest) has 85.0 %.

    mien train --recipe mien_m_votes --data fer2013.csv --votes fer2013new.csv
    mien evaluate RUN --data fer2013.csv --votes fer2013new.csv --split PublicTest --json

"""
VOTES_FOOT = """
`mien_m_votes-0` is inside as `--model default`, its weights rounded to half precision first (`mien
export RUN --output DIR --half`), with all figures above measured after that. Six views gain little:
training showed the net crops, zooms and soft faces already.

Mixing, erasing and blur leave a net shy on a plain face: it says rare expressions too seldom.
`train.prior_correction` takes back a part of what it learnt of their frequency, at export:

    python benchmarks/prior_correction.py --data fer2013.csv --votes fer2013new.csv --model default

| correction | majority read % | balanced % | cross-entropy | false alarms % | read neutral % |
|---|---|---|---|---|---|
| 0.0 | 89.30 | 78.25 | 0.6150 | 2.64 | 1.89 |
| 0.1 | 89.14 | 79.29 | 0.6124 | 3.06 | 1.73 |
| 0.2 | 89.23 | 80.17 | 0.6126 | 3.34 | 1.66 |
| 0.3 | 88.54 | 81.17 | 0.6159 | 4.03 | 1.51 |
| 0.4 | 87.92 | 82.40 | 0.6227 | 5.15 | 1.28 |
| 0.5 | 87.54 | 83.24 | 0.6334 | 5.98 | 0.98 |
| 0.7 | 86.03 | 86.51 | 0.6683 | 8.21 | 0.75 |

0.2 was chosen: within a hair of the lowest cross-entropy, and the share of false alarms still
small. Whoever minds false alarms less than missed expressions takes more.

`mien_xs-0` is inside as `--model xs`: a tenth of the multiply-adds, taught by the votes (three
tenths of its target) and by what `default` says of the same mixed view (seven tenths). Inside, its
weights are rounded to half precision; in int8, which is what reads pictures where the processor is
made for it, it reads 86.88 % ([int8.md](int8.md)).

    mien train --recipe mien_xs --data fer2013.csv --votes fer2013new.csv --teacher default

[photographs.md](photographs.md) has the price of each step that makes training faces like those of
photographs.
"""
CALIBRATION = """
## Calibration

How far the confidence in a decision is from how often such decisions are right, over 15 bins of
equally many PublicTest faces, each model against what taught it: `default` against the shares of
the votes, `fer2013` against the labels.

    mien evaluate default --data fer2013.csv --votes fer2013new.csv --split PublicTest
    mien evaluate fer2013 --data fer2013.csv --split PublicTest

| | mean gap (ECE) | RMS gap, debiased | its 95 % interval |
|---|---|---|---|
| `default`, no temperature | 0.0894 | 0.0910 | 0.0840 to 0.0981 |
| `default`, as exported (T = 0.746) | 0.0121 | 0.0068 | 0.0000 to 0.0187 |
| `default`, cross-fitted | 0.0116 | 0.0061 | 0.0000 to 0.0184 |
| `fer2013`, no temperature | 0.0366 | 0.0351 | 0.0161 to 0.0495 |
| `fer2013`, as exported (T = 0.902) | 0.0297 | 0.0217 | 0.0000 to 0.0407 |
| `fer2013`, cross-fitted | 0.0292 | 0.0209 | 0.0000 to 0.0400 |

- *Cross-fitted*: five folds, each measured with the temperature that the other four ask for,
  since the models' own temperatures were fitted on these very faces. One number fitted on 3,000
  faces hardly overfits: as exported and cross-fitted agree to 0.001.
- *Debiased*: chance alone opens a gap in every bin, so the plain mean gap stays above 0 for a
  perfect model too. Here the variance of each bin's gap is taken from its square before the root
  of the mean (Kumar, Liang and Ma 2019; Bröcker 2012); the interval is a parametric bootstrap.
  The root mean square is an L2 norm: without the debiasing it is never below the mean gap, which
  is an L1 norm.
- One temperature for all expressions leaves differences between them. Of the decisions of
  `default`, those for neutral are right more often than it claims (79.1 % of the votes, 75.1 %
  claimed; debiased 0.053, 0.038 to 0.067), those for sad less often (65.4 %, 71.1 % claimed;
  0.051, 0 to 0.087). The report has every expression, in the table, the JSON (`calibration`) and
  the page.
"""


@dataclass(frozen=True)
class Run:
    """What is kept of a finished run."""

    name: str
    recipe: dict[str, Any]
    summary: dict[str, Any]

    def accuracy(self, views: str) -> float:
        """The accuracy with `selection` (one view) or `selection_tta`."""
        return float(self.summary[views]["accuracy"])


def main() -> None:
    """Collects what is asked for and writes page, picture and table."""
    for run in runs_to_collect(__doc__):
        collect(run)
        record = read_config(run / "model").training.model_dump(mode="json", exclude_unset=True)
        keys = ("parameters", "mmacs", "training_flop", "minutes", "selection", "selection_tta")
        summary = {key: record[key] for key in keys}
        (RECORDS / run.name / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    groups, voted = read_runs()
    PAGE.write_text(page(groups) + votes_page(voted))
    shipped = list_recipes()
    alone = {name: runs for name, runs in groups.items() if not any(map(goes_on, runs))}
    draw({name: runs for name, runs in alone.items() if name in shipped})
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    README.write_text(before + readme_part() + rest.partition(END)[2])


def goes_on(run: Run) -> bool:
    """Returns whether a run began with another's weights: its cost is not all of it."""
    return read_info(RECORDS / run.name).init is not None


def read_runs() -> tuple[dict[str, list[Run]], list[Run]]:
    """Returns the finished runs by recipe, and those that votes taught."""
    folders = [folder for folder in sorted(RECORDS.iterdir()) if (folder / SUMMARY).exists()]
    runs = [
        Run(
            name=folder.name,
            recipe=tomllib.loads((folder / "recipe.toml").read_text()),
            summary=json.loads((folder / SUMMARY).read_text()),
        )
        for folder in folders
    ]
    groups: dict[str, list[Run]] = defaultdict(list)
    voted = [run for run in runs if "votes" in run.summary["selection"]]
    for run in runs:
        if run not in voted:
            groups[run.name.rpartition("-")[0]].append(run)
    return groups, voted


def page(groups: dict[str, list[Run]]) -> str:
    """Returns the page as Markdown."""
    lines = [
        "| run | parameters | MMAC | epochs | FLOP | minutes | one view % | TTA % "
        "| log loss, TTA |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in groups.items():
        for run in runs:
            low, high = (100 * end for end in run.summary["selection_tta"]["accuracy_ci95"])
            views = f"{100 * run.accuracy('selection_tta'):.2f} ({low:.1f} to {high:.1f})"
            lines.append(
                f"| {run.name} | {run.summary['parameters']:,} | {run.summary['mmacs']:.0f} "
                f"| {run.recipe['train']['epochs']} | {run.summary['training_flop']:.2e} "
                f"| {run.summary['minutes']:.0f} | {100 * run.accuracy('selection'):.2f} "
                f"| {views} | {run.summary['selection_tta']['log_loss']:.4f} |"
            )
        if len(runs) > 1:
            lines.append(
                f"| **{name}, mean of {len(runs)} ± SD** | | | | | "
                f"| {spread(runs, 'selection')} | **{spread(runs, 'selection_tta')}** | |"
            )
    return HEAD + "\n".join(lines) + "\n" + FOOT


def votes_page(runs: list[Run]) -> str:
    """Returns the page's part on the nets that annotators' votes taught."""
    lines = [
        "| run | MMAC | epochs | FLOP | minutes | majority read, one view % | six views % "
        "| balanced % | cross-entropy | false alarms % | calibration error |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        one, six = (run.summary[key]["votes"] for key in ("selection", "selection_tta"))
        low, high = (100 * end for end in one["accuracy_ci95"])
        alarms = one["false_alarms"]["together"]
        lines.append(
            f"| {run.name} | {run.summary['mmacs']:.0f} | {run.recipe['train']['epochs']} "
            f"| {run.summary['training_flop']:.2e} | {run.summary['minutes']:.0f} "
            f"| {100 * one['accuracy']:.2f} ({low:.1f} to {high:.1f}) "
            f"| {100 * six['accuracy']:.2f} | {100 * one['balanced_accuracy']:.2f} "
            f"| {one['cross_entropy']:.4f} | {100 * alarms['share']:.2f} | {one['ece']:.4f} |"
        )
    return VOTES_HEAD + "\n".join(lines) + "\n" + VOTES_FOOT + CALIBRATION


def also_learnt(runs: list[Run]) -> str:
    """Returns what nets of a recipe learn from besides the labels."""
    return " with FER+ votes" if runs[0].recipe["train"].get("teacher_weight") else ""


def spread(runs: list[Run], views: str) -> str:
    """Returns the mean accuracy ± standard deviation over seeds, in percent."""
    values = [100 * run.accuracy(views) for run in runs]
    return f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}"


def draw(groups: dict[str, list[Run]]) -> None:
    """Draws accuracy against training FLOP."""
    figure = new_figure(7, 4.2)
    axes = figure.add_subplot()
    for place, (name, runs) in enumerate(groups.items()):
        axes.plot(
            [run.summary["training_flop"] for run in runs],
            [100 * run.accuracy("selection_tta") for run in runs],
            "oD^vP"[place % 5],
            color=LINE_COLOURS[place % len(LINE_COLOURS)],
            markersize=7,
            markeredgecolor="black",
            linestyle="none",
            label=f"{name}{also_learnt(runs)}, TTA ({len(runs)} seed{'s' * (len(runs) > 1)})",
        )
    name, flop, accuracy = REPORT_B
    axes.plot([flop], [100 * accuracy], "X", color="0.3", markersize=9, label=name)
    name, (first, last), (low, high) = LITERATURE
    axes.fill_between(
        [first, last], 100 * low, 100 * high, facecolor="0.8", edgecolor=BLUE, hatch="///",
        label=f"{name}, PrivateTest",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("training cost, FLOP (6 x multiply-adds x faces seen)")
    axes.set_ylabel("accuracy, %; mien: PublicTest")
    axes.set_title("What an accuracy on FER2013 costs to train")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    axes.set_ylim(top=74)
    finish_axes(axes)
    write_figure(figure, PICTURE)


def readme_part() -> str:
    """Returns what stands in the README on the models inside, its two marks around it."""
    inside = [read_config(resolve(name)).training for name in ("default", "xs", "fer2013")]
    of_labels = json.loads((RECORDS / "mien_m-0" / VOTES).read_text())
    one = [record.selection or {} for record in inside]
    votes = [report.get("votes") or of_labels for report in one]
    alarms = [each["false_alarms"]["together"] for each in votes]
    rows = {
        "": ("`default`, for people", "`xs`, five times faster", "`fer2013`, for comparison"),
        "---": ("---",) * 3,
        "taught by": (
            "ten annotators' votes on each face (FER+)",
            "the votes, and `default`",
            "FER2013's own labels",
        ),
        f"PublicTest, what most annotators say ({votes[0]['num_faces']:,} faces)": [
            percent(each) for each in votes
        ],
        "clearly neutral faces read angry, sad, afraid or disgusted "
        f"({votes[0]['num_clear_neutral']} faces)": [
            percent(each, "share", "ci95") for each in alarms
        ],
        f"PublicTest, FER2013's label ({one[0]['num_faces']:,} faces), one view": [
            percent(each) for each in one
        ],
        "the same with test-time views (`--tta`)": [
            percent(record.selection_tta or {}) for record in inside
        ],
        "calibration error (15 equal-mass bins), by what taught it": [
            f"{(report.get('votes') or report)['ece']:.3f}" for report in one
        ],
        "million multiply-adds a face": [f"{record.mmacs:.0f}" for record in inside],
        "trained with `mien train --recipe`": [training(record) for record in inside],
    }
    lines = [f"| {head} | {' | '.join(cells)} |" for head, cells in rows.items()]
    lines[1] = "|---|---|---|---|"
    return "\n".join([BEGIN, "", *lines, "", END])


def training(record: TrainingRecord) -> str:
    """Returns which recipe trained a model, and what that cost."""
    name = record.setting("model.name")
    if record.setting("train.vote_weight") == 1:
        name += "_votes"
    seed, epochs = record.setting("train.seed"), record.setting("train.epochs")
    return (
        f"`{name}`, seed {seed}: {epochs} epochs, {record.training_flop:.1e} FLOP, "
        f"{record.minutes:.0f} minutes ({record.machine.replace(' 1 threads', ' 1 thread')})"
    )


def percent(report: dict[str, Any], figure: str = "accuracy", ends: str = "accuracy_ci95") -> str:
    """Returns a share with its 95 % interval."""
    low, high = report[ends]
    return f"**{100 * report[figure]:.1f} %** ({100 * low:.1f} to {100 * high:.1f})"


if __name__ == "__main__":
    main()
