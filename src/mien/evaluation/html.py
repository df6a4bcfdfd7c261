"""The HTML page of a report: one file, no script, nothing fetched."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from mien.evaluation.report import Report
from mien.evaluation.votes import VotesReport
from mien.pictures import resize

LARGEST_FACE = 96
"""Larger faces are shrunk to this side, pixels, so that the page stays small."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --faint: #5c5c5c;
  --line: #d4d4d4; --plate: #f3f4f6; --warn: #8a4b00; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #ececec; --paper: #16181b; --faint: #a8a8a8; --line: #3c4046;
    --plate: #22252a; --warn: #ffb95c; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.5rem; max-width: 70rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.2rem; margin: 2.2rem 0 .7rem; }}
p {{ margin: .3rem 0; }}
.faint {{ color: var(--faint); }}
.warn {{ color: var(--warn); font-weight: 600; }}
.tiles {{ display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; padding: 0; }}
.tiles li {{ list-style: none; flex: 1 1 9rem; padding: .8rem 1rem; border-radius: .5rem;
  background: var(--plate); }}
.tiles b {{ display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }}
.tiles span {{ color: var(--faint); font-size: .85rem; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }}
th:first-child {{ text-align: left; }}
td.right {{ font-weight: 700; }}
.figures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr));
  gap: 1rem; align-items: start; }}
.figures img {{ width: 100%; height: auto; background: #ffffff; border-radius: .5rem;
  border: 1px solid var(--line); }}
.figures img:last-child {{ grid-column: 1 / -1; }}
.faces {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem;
  padding: 0; }}
.faces li {{ list-style: none; font-size: .85rem; line-height: 1.35; overflow-wrap: anywhere; }}
.faces img {{ width: 6rem; height: 6rem; border-radius: .3rem; display: block;
  margin-bottom: .3rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="faint">{num_faces} faces, {views}. Expressions are what annotators perceived,
never what a person feels.</p>
{notes}
{votes}
<ul class="tiles">
{tiles}
</ul>
<h2>Figures</h2>
<div class="figures">
{figures}
</div>
<h2>Each class</h2>
<div class="scroll">{classes}</div>
<h2>Confusion (faces)</h2>
<p class="faint">Rows are the true classes, columns the predicted ones.</p>
<div class="scroll">{confusion}</div>
<h2>Surest mistakes</h2>
<p class="faint">{mistakes_head}</p>
<ul class="faces">
{mistakes}
</ul>
</body>
</html>
"""


@dataclass(frozen=True)
class Mistake:
    """A face that was decided wrongly.

    Attributes:
        image: uint8 `[S, S]` grey or `[S, S, 3]` RGB.
        label: Its class, as the set says.
        prediction: Its class, as the model says.
        confidence: The model's probability of its prediction, 0 to 1.
        label_probability: The model's probability of the label.
        source: Where it stands in the set.
    """

    image: np.ndarray
    label: str
    prediction: str
    confidence: float
    label_probability: float
    source: str


def html_page(
    model: str,
    data_name: str,
    report: Report,
    figures: Mapping[str, bytes],
    mistakes: Sequence[Mistake],
    notes: Sequence[str] = (),
) -> str:
    """Returns the page: figures, tables and mistakes, with every picture inside.

    Args:
        model: What the model is called.
        data_name: What the faces are called.
        report: How it did.
        figures: PNG files by name; the last one is as wide as the page.
        mistakes: Faces decided wrongly, in the order to show them.
        notes: What a reader must know of the figures.
    """
    num_wrong = report.num_faces - sum(row[i] for i, row in enumerate(report.confusion))
    views = "one view of each" if report.num_views == 1 else f"{report.num_views} views of each"
    return _PAGE.format(
        title=escape(f"{model} on {data_name}"),
        num_faces=f"{report.num_faces:,}",
        views=views,
        notes="\n".join(f'<p class="warn">Mind: {escape(note)}.</p>' for note in notes),
        votes="" if report.votes is None else _votes_section(report.votes),
        tiles="\n".join(_tiles(report)),
        figures="\n".join(
            f'<img src="{_data_uri(picture)}" alt="{escape(name)}"/>'
            for name, picture in figures.items()
        ),
        classes=_class_table(report),
        confusion=_confusion_table(report),
        mistakes_head=f"{len(mistakes):,} of {num_wrong:,} faces decided wrongly: those where the "
        "prediction leads the label by most, with the model's probability of each. Many such "
        "labels are themselves disputable. Rows count from 0.",
        mistakes="\n".join(map(_mistake, mistakes)),
    )


def _tiles(report: Report) -> Iterable[str]:
    low, high = report.accuracy_ci95
    for name, value, remark in (
        ("accuracy", report.accuracy, f"95 % interval {low:.4f} to {high:.4f}"),
        ("balanced accuracy", report.balanced_accuracy, "mean recall"),
        ("macro F1", report.macro_f1, "mean over the classes"),
        ("log loss", report.log_loss, "nats"),
        ("calibration error", report.ece, "15 equal-mass bins"),
    ):
        yield _tile(name, f"{value:.4f}", remark)


def _tile(name: str, value: str, remark: str) -> str:
    return f"<li>{name}<b>{value}</b><span>{remark}</span></li>"


def _votes_section(votes: VotesReport) -> str:
    """Returns what the annotators' votes say of the model, before what the labels say."""
    low, high = votes.accuracy_ci95
    tiles = [
        _tile("majority read", f"{votes.accuracy:.4f}", f"95 % interval {low:.4f} to {high:.4f}"),
        _tile("balanced accuracy", f"{votes.balanced_accuracy:.4f}", "mean recall"),
        _tile(
            "cross-entropy",
            f"{votes.cross_entropy:.4f}",
            f"the votes' own {votes.vote_entropy:.4f}",
        ),
        _tile("calibration error", f"{votes.ece:.4f}", "15 equal-mass bins"),
    ]
    shares = [(f"neutral read {name}", share) for name, share in votes.false_alarms.items()]
    if votes.read_neutral is not None:
        shares.append(("another expression read neutral", votes.read_neutral))
    alarms = _table(
        ["clear faces", "faces", "share", "95 % interval"],
        [name for name, _ in shares],
        [
            [f"{each.count:,}", f"{each.share:.2%}", f"{each.ci95[0]:.2%} to {each.ci95[1]:.2%}"]
            for _, each in shares
        ],
    )
    heads = ["majority", "precision", "recall", "F1", "faces"]
    classes = _table(heads, list(votes.per_class), _class_rows(votes))
    return f"""<h2>Against the annotators' votes</h2>
<p class="faint">{votes.num_faces:,} faces whose annotators agree; left out are
{votes.num_undecided:,} undecided, {votes.num_contempt:,} contempt, {votes.num_unknown:,} unknown or
no face. Clear are faces on which eight of ten agree: {votes.num_clear_neutral:,} neutral,
{votes.num_clear_expression:,} with another expression.</p>
<ul class="tiles">
{"".join(tiles)}
</ul>
<div class="scroll">{alarms}</div>
<div class="scroll">{classes}</div>
<h2>Against the faces' own labels</h2>"""


def _class_rows(report: Report | VotesReport) -> list[list[str]]:
    rows = []
    for scores in report.per_class.values():
        ratios = (f"{ratio:.3f}" for ratio in (scores.precision, scores.recall, scores.f1))
        rows.append([*ratios, f"{scores.support:,}"])
    return rows


def _class_table(report: Report) -> str:
    rows = _class_rows(report)
    means = (report.macro_precision, report.macro_recall, report.macro_f1)
    rows.append([*(f"{mean:.3f}" for mean in means), f"{report.num_faces:,}"])
    heads = ["class", "precision", "recall", "F1", "faces"]
    return _table(heads, [*report.per_class, "mean, all"], rows)


def _confusion_table(report: Report) -> str:
    rows = [[f"{count:,}" for count in row] for row in report.confusion]
    return _table(["true", *report.per_class], list(report.per_class), rows, mark_diagonal=True)


def _table(
    heads: Sequence[str],
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    mark_diagonal: bool = False,
) -> str:
    lines = ["".join(f'<th scope="col">{escape(head)}</th>' for head in heads)]
    for place, (name, row) in enumerate(zip(names, rows, strict=True)):
        right = [mark_diagonal and column == place for column in range(len(row))]
        cells = (
            f'<td class="right">{cell}</td>' if mark else f"<td>{cell}</td>"
            for cell, mark in zip(row, right, strict=True)
        )
        lines.append(f'<th scope="row">{escape(name)}</th>{"".join(cells)}')
    return "<table>" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _mistake(mistake: Mistake) -> str:
    label, prediction = escape(mistake.label), escape(mistake.prediction)
    return (
        f'<li><img src="{_data_uri(_png(mistake.image))}" alt="a face labelled {label}"/>'
        f"labelled <b>{label}</b> ({mistake.label_probability:.0%})<br/>"
        f"read as <b>{prediction}</b> ({mistake.confidence:.0%})<br/>"
        f'<span class="faint">{escape(mistake.source)}</span></li>'
    )


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    if len(image) > LARGEST_FACE:
        image = resize(np.ascontiguousarray(image), LARGEST_FACE, LARGEST_FACE)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
