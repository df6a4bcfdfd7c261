"""An evaluation as files: figures, the report as JSON, and one self-contained HTML page."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from mien.classifier import softmax
from mien.data import FaceSet
from mien.evaluation.metrics import (
    CONFIDENCES,
    calibration_bins,
    find_disagreements,
    wilson_interval,
)
from mien.evaluation.report import Evaluation, Report
from mien.files import write_whole
from mien.pictures import resize
from mien.plots import (
    draw_class_scores,
    draw_confusion,
    draw_coverage,
    draw_reliability,
    write_figure,
)

MOST_MISTAKES = 48
LARGEST_FACE = 96
"""Larger faces are shrunk to this side, pixels, so that the page stays small."""

CONFUSION, PER_CLASS, RELIABILITY = "confusion.png", "per_class.png", "reliability.png"
COVERAGE = "coverage.png"
REPORT, PAGE = "report.json", "report.html"


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

    @property
    def png(self) -> bytes:
        """The face as a PNG file, `LARGEST_FACE` wide at the most."""
        return thumbnail(self.image)


def write_report(
    folder: str | Path,
    evaluation: Evaluation,
    faces: FaceSet,
    data_name: str,
    notes: Sequence[str] = (),
    more_figures: Mapping[str, Figure] = MappingProxyType({}),
) -> Path:
    """Writes figures, report and HTML page; returns the page's path.

    The folder gets `confusion.png`, `per_class.png`, `reliability.png`, `coverage.png`,
    `report.json` (the report's `to_json_dict`) and `report.html`, which holds the figures, the
    tables and the surest mistakes, faces included: treat it as you treat the data.

    Args:
        folder: Where to; made if need be. Files of those names are replaced.
        evaluation: What `collect` returned.
        faces: The faces it was given.
        data_name: What they are called.
        notes: What a reader must know of the figures, such as `honesty_warning`.
        more_figures: By the names of their files: written and shown too.

    Raises:
        BadInputError: The folder cannot be written.
    """
    folder = Path(folder)
    report, names = evaluation.report, evaluation.label_names
    title = f"{evaluation.model}\n{data_name}"
    scores = report.per_class.values()
    figures = {CONFUSION: draw_confusion(report.confusion, names, f"Confusion of {title}")}
    decided = evaluation.logits[evaluation.truth.rows]
    if len(decided):
        figures[RELIABILITY] = _reliability(evaluation, f"Reliability of {title}")
    figures[PER_CLASS] = draw_class_scores(
        [row.precision for row in scores],
        [row.recall for row in scores],
        [row.support for row in scores],
        names,
        f"Precision and recall of {title}",
    )
    if len(decided):
        figures[COVERAGE] = draw_coverage(
            softmax(decided).max(axis=1).tolist(),
            evaluation.agrees.tolist(),
            f"Answers of {title}",
            CONFIDENCES,
        )
    figures |= more_figures
    pictures = {name: write_figure(figure, folder / name) for name, figure in figures.items()}
    page = html_page(
        evaluation.model,
        data_name,
        report,
        {name: picture.read_bytes() for name, picture in pictures.items()},
        surest_mistakes(evaluation, faces),
        notes,
        evaluation.read_by,
    )
    write_document(folder / REPORT, report.to_json_dict())
    return write_document(folder / PAGE, page)


def _reliability(evaluation: Evaluation, title: str) -> Figure:
    """Returns the figure of confidence and truth, with and without the model's temperature."""
    targets, decided = evaluation.truth.targets, evaluation.logits[evaluation.truth.rows]
    bins = calibration_bins(decided, targets)
    raw = calibration_bins(decided * evaluation.config.temperature, targets)
    if targets.ndim == 1:
        num_right = np.rint(bins.accuracy * bins.counts).astype(int).tolist()
        pairs = zip(num_right, bins.counts.tolist(), strict=True)
        intervals, truth = [wilson_interval(*pair) for pair in pairs], "decisions that were right"
    else:
        reach = 1.96 * np.sqrt(bins.variances)
        ends = np.clip([bins.accuracy - reach, bins.accuracy + reach], 0, 1)
        intervals, truth = list(map(tuple, ends.T.tolist())), "share of the votes"
    report = evaluation.report.votes or evaluation.report
    error = f"ECE {report.ece:.3f}"
    if report.calibration is not None:
        its = report.calibration.as_exported
        low, high = its.rms_debiased_ci95
        error += f"; RMS, debiased {its.rms_debiased:.3f} ({low:.3f} to {high:.3f})"
    return draw_reliability(
        bins.confidence.tolist(),
        bins.accuracy.tolist(),
        intervals,
        bins.counts.tolist(),
        error,
        title,
        (raw.confidence.tolist(), raw.accuracy.tolist()),
        truth,
    )


def html_page(
    model: str,
    data_name: str,
    report: Report,
    figures: Mapping[str, bytes],
    mistakes: Sequence[Mistake],
    notes: Sequence[str] = (),
    read_by: str = "",
) -> str:
    """Returns the page: figures, tables and mistakes, with every picture inside; no script.

    Args:
        model: What the model is called.
        data_name: What the faces are called.
        report: How it did.
        figures: PNG files by name; the last one is as wide as the page.
        mistakes: Faces decided wrongly, in the order to show them.
        notes: What a reader must know of the figures.
        read_by: Which network gave the answers, and where it ran.
    """
    return render_page(
        "page.html",
        title=f"{model} on {data_name}",
        report=report,
        num_wrong=report.num_faces - sum(row[i] for i, row in enumerate(report.confusion)),
        figures=figures,
        mistakes=mistakes,
        notes=notes,
        read_by=read_by,
    )


def thumbnail(image: np.ndarray) -> bytes:
    """Returns a face image as a PNG file, `LARGEST_FACE` wide at the most."""
    if len(image) > LARGEST_FACE:
        image = resize(np.ascontiguousarray(image), LARGEST_FACE, LARGEST_FACE)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def render_page(template: str, folder: Path = Path(__file__).parent, **values: Any) -> str:
    """Returns an HTML page from a template in `folder`; every value is escaped in it.

    It may extend and import the templates beside this file.
    """
    templates = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"as": format, "data_uri": _data_uri}
    return templates.get_template(template).render(zip=zip, **values)


def write_document(path: Path, content: str | dict[str, Any]) -> Path:
    """Returns the path of a page or, of a dictionary, a JSON document, once written.

    Raises:
        BadInputError: It cannot be written.
    """
    if not isinstance(content, str):
        content = json.dumps(content, allow_nan=False, indent=2) + "\n"
    with write_whole(path) as file:
        file.write(content.encode())
    return path


def surest_mistakes(evaluation: Evaluation, faces: FaceSet) -> list[Mistake]:
    """Returns the `MOST_MISTAKES` wrong decisions with the largest lead over the true label.

    Args:
        evaluation: What `collect` returned.
        faces: The faces it was given.
    """
    probabilities = softmax(evaluation.logits.astype(np.float64))
    names = evaluation.label_names
    found = find_disagreements(probabilities, evaluation.labels)[:MOST_MISTAKES]
    shared = len(faces.sources) == 1
    return [
        Mistake(
            image=faces.images[index],
            label=names[evaluation.labels[index]],
            prediction=names[probabilities[index].argmax()],
            confidence=float(probabilities[index].max()),
            label_probability=float(probabilities[index, evaluation.labels[index]]),
            source=f"row {faces.rows[index]:,}" if shared else faces.sources[index],
        )
        for index in found
    ]


def report_folders(folder: str | Path, models: Sequence[str]) -> list[Path]:
    """Returns a folder below `folder` for each model, named by the last part of its path.

    A name that is taken gets a number.
    """
    folders: list[Path] = []
    for model in models:
        name, number = Path(model).resolve().name, 2
        target = Path(folder) / name
        while target in folders:
            target, number = Path(folder) / f"{name}-{number}", number + 1
        folders.append(target)
    return folders


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
