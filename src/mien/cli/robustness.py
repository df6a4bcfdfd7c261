"""What `mien evaluate` measures beyond a report: corruptions, the way through pictures, groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from mien.cli.output import is_watched, note, print_parts
from mien.cli.report_tables import interval_of, new_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from mien.evaluation import Evaluation, GroupColumn, Robustness
    from mien.evaluation.faces import JudgedFaces
    from mien.evaluation.votes import Share
    from mien.inference import EndToEnd

Corruptions = Annotated[
    bool,
    typer.Option(
        "--corruptions",
        help="Measure on corrupted faces too: blurred, noisy, dark, covered, cut wrongly, small "
        "and others. Looks at all faces 65 times.",
    ),
]
EndToEndOption = Annotated[
    bool,
    typer.Option(
        "--end-to-end",
        help="Paste each face into a picture too, and let mien find it, cut it and read it.",
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        help="A CSV that says which group each face is of: column row (its number in the set, from "
        "0) or file (of folders), then a column a kind of group, such as age or light. FER2013 "
        "has no such columns.",
        show_default=False,
    ),
]
CORRUPTIONS_PICTURE = "corruptions.png"


@dataclass(frozen=True)
class Further:
    """What was measured beyond the report; None and empty what was not asked for."""

    corruptions: "Robustness | None" = None
    end_to_end: "EndToEnd | None" = None
    groups: "tuple[GroupColumn, ...]" = ()

    def to_json_dict(self) -> dict[str, Any]:
        """Returns what was measured as JSON's types; the keys are those of the options."""
        document: dict[str, Any] = {}
        if self.corruptions is not None:
            document["corruptions"] = self.corruptions.to_json_dict()
        if self.end_to_end is not None:
            document["end_to_end"] = self.end_to_end.to_json_dict()
        if self.groups:
            document["by_group"] = [column.to_json_dict() for column in self.groups]
        return document

    def print(self) -> None:
        """Prints a table of each."""
        if self.corruptions is not None:
            _print_corruptions(self.corruptions)
        if self.end_to_end is not None:
            _print_end_to_end(self.end_to_end)
        for column in self.groups:
            _print_groups(column)

    def write(self, folder: Path) -> None:
        """Writes each as a JSON file of its own."""
        from mien.evaluation.pages import write_document

        for name, value in self.to_json_dict().items():
            write_document(folder / f"{name}.json", value)


def read_tables(
    path: Path | None, judged: "Sequence[JudgedFaces]", data: Path
) -> list[dict[str, np.ndarray]]:
    """Returns the groups of each model's faces; empty without a table."""
    if path is None:
        return [{} for _ in judged]
    from mien.evaluation import read_groups

    return [read_groups(path, each.faces, each.whole, data) for each in judged]


def measure_further(
    evaluation: "Evaluation",
    judged: "JudgedFaces",
    groups: Mapping[str, np.ndarray],
    corruptions: bool,
    end_to_end: bool,
) -> Further:
    """Returns what was asked for; a bar on a terminal says how far the corruptions are."""
    from mien.evaluation import score_groups

    return Further(
        corruptions=_corruptions(evaluation, judged) if corruptions else None,
        end_to_end=_end_to_end(evaluation, judged) if end_to_end else None,
        groups=score_groups(evaluation, judged.faces, groups) if groups else (),
    )


def draw_robustness(measured: "Sequence[Further]", data_name: str) -> "dict[str, Figure]":
    """Returns the picture of the models' corruptions by its file's name; empty without any."""
    rows = [each.corruptions for each in measured if each.corruptions is not None]
    if not rows:
        return {}
    from mien.evaluation import CORRUPTIONS
    from mien.plots import draw_corruptions

    figure = draw_corruptions(
        {row.model: row.accuracies() for row in rows},
        {row.model: row.accuracy for row in rows},
        {name: (each.unit, each.values) for name, each in CORRUPTIONS.items()},
        f"Corrupted faces of {data_name}",
    )
    return {CORRUPTIONS_PICTURE: figure}


def write_robustness(folder: Path, measured: "Sequence[Further]", data_name: str) -> None:
    """Writes the picture of several models' corruptions, if there are any."""
    from mien.plots import write_figure

    for name, figure in draw_robustness(measured, data_name).items():
        note(f"written: {write_figure(figure, folder / name)}")


def _corruptions(evaluation: "Evaluation", judged: "JudgedFaces") -> "Robustness":
    from rich.console import Console
    from rich.progress import track

    from mien.evaluation.corruptions import CORRUPTIONS, NUM_STRENGTHS
    from mien.evaluation.robustness import score_corruptions, summarise

    scores = track(
        score_corruptions(evaluation, judged.faces),
        description="corruptions",
        total=len(CORRUPTIONS) * NUM_STRENGTHS,
        console=Console(stderr=True),
        transient=True,
        disable=not is_watched(),
    )
    return summarise(evaluation, judged.faces, list(scores))


def _end_to_end(evaluation: "Evaluation", judged: "JudgedFaces") -> "EndToEnd":
    from mien.inference import measure_end_to_end

    return measure_end_to_end(evaluation, judged.faces)


def _print_corruptions(robustness: "Robustness") -> None:
    by_name: dict[str, list[Any]] = {}
    for score in robustness.scores:
        by_name.setdefault(score.corruption, []).append(score)
    accuracies = new_table("strength", *"12345", "relative")
    alarms = new_table("strength", *"12345")
    for name, scores in by_name.items():
        relative = sum(score.relative_accuracy for score in scores) / len(scores)
        accuracies.add_row(name, *(f"{each.accuracy:.3f}" for each in scores), f"{relative:.3f}")
        if robustness.false_alarms is not None:
            alarms.add_row(name, *(f"{each.false_alarms:.3f}" for each in scores))
    head = (
        f"{robustness.model}, accuracy on corrupted faces ({robustness.accuracy:.3f} as they are)"
    )
    mean = f"mean relative accuracy {robustness.mean_relative_accuracy:.4f}"
    print_parts(head, accuracies, mean)
    if robustness.false_alarms is not None:
        as_they_are = f"({robustness.false_alarms:.3f} as they are)"
        print_parts(f"false alarms on clearly neutral faces {as_they_are}", alarms)


def _print_end_to_end(measured: "EndToEnd") -> None:
    rows = new_table("", "faces", "share", "95 % interval")
    for name, share in (
        ("found", measured.found),
        ("of these, right", measured.right_of_found),
        ("  the same faces as files", measured.right_of_files_found),
        ("found and right, of all", measured.right_of_all),
        ("  all faces as files", measured.right_of_files),
    ):
        _add_share(rows, name, share)
    bands = new_table("side in the picture", "faces", "found", "found and right")
    for band in measured.bands:
        if band.found is not None and band.right_of_all is not None:
            low, high = band.sides
            cells = (f"{band.num_faces:,}", f"{band.found.share:.4f}")
            bands.add_row(f"{low} to {high} px", *cells, f"{band.right_of_all.share:.4f}")
    head = f"{measured.model}, {measured.num_faces:,} faces found and cut out of pictures by mien"
    cost = "difference to the files, faces that were not found counted wrong: {:+.4f}"
    print_parts(head, rows, cost.format(measured.difference), bands)


def _print_groups(column: "GroupColumn") -> None:
    has_alarms = any(group.false_alarms is not None for group in column.groups)
    heads = ("faces", "right", "95 % interval", "answered", *(["false alarms"] * has_alarms))
    rows = new_table(column.name, *heads)
    for group in column.groups:
        if group.accuracy is None:
            rows.add_row(group.name, "0")
            continue
        cells = [f"{group.accuracy.share:.4f}", interval_of(group.accuracy.ci95)]
        cells.append(f"{group.coverage:.4f}")
        if group.false_alarms is not None:
            cells.append(f"{group.false_alarms.share:.4f}")
        rows.add_row(group.name, f"{group.num_faces:,}", *cells)
    parts: list[object] = [rows]
    if column.num_without:
        parts.append(f"without a group: {column.num_without:,} faces")
    parts.append(_gap_in_words(column))
    print_parts(f"groups by {column.name}", *parts)


def _gap_in_words(column: "GroupColumn") -> str:
    from mien.evaluation.groups import MIN_FACES

    gap = column.gap
    if gap is None:
        return f"no gap: fewer than two groups have {MIN_FACES} faces or more"
    words = "chance alone may explain it" if gap.p >= 0.05 else "chance alone hardly explains it"
    return (
        f"largest gap, of groups of {MIN_FACES} faces or more: {gap.accuracy_difference:.4f} "
        f"({gap.best} over {gap.worst})\npermutation p {gap.p:.2g}: {words}"
    )


def _add_share(rows: "Table", name: str, share: "Share | None") -> None:
    if share is not None:
        rows.add_row(name, f"{share.count:,}", f"{share.share:.4f}", interval_of(share.ci95))
