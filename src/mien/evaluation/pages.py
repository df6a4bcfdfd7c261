"""An evaluation as files: figures, the report as JSON, and one self-contained HTML page."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.classifier import softmax
from mien.data import FaceSet
from mien.errors import BadInputError
from mien.evaluation.disagreement import find_disagreements
from mien.evaluation.html import Mistake, html_page
from mien.evaluation.metrics import calibration_bins, wilson_interval
from mien.evaluation.report import Evaluation
from mien.plots import draw_class_scores, draw_confusion, draw_reliability, write_figure

MOST_MISTAKES = 48

CONFUSION, PER_CLASS, RELIABILITY = "confusion.png", "per_class.png", "reliability.png"
REPORT, PAGE = "report.json", "report.html"


def write_report(
    folder: str | Path,
    evaluation: Evaluation,
    faces: FaceSet,
    data_name: str,
    notes: Sequence[str] = (),
) -> Path:
    """Returns the HTML page, once it and what it shows are written.

    The folder gets `confusion.png`, `per_class.png`, `reliability.png`, `report.json` (the
    report's `to_json_dict`) and `report.html`, which holds the figures, the tables and the surest
    mistakes, faces included: treat it as you treat the data.

    Args:
        folder: Where to; made if need be. Files of those names are replaced.
        evaluation: What `collect` returned.
        faces: The faces it was given.
        data_name: What they are called.
        notes: What a reader must know of the figures, such as `honesty_warning`.

    Raises:
        BadInputError: The folder cannot be written.
    """
    folder = Path(folder)
    report, names = evaluation.report, evaluation.config.labels
    title = f"{evaluation.model}\n{data_name}"
    scores = report.per_class.values()
    bins = calibration_bins(evaluation.logits, evaluation.labels)
    num_right = np.rint(bins.accuracy * bins.counts).astype(int).tolist()
    pairs = zip(num_right, bins.counts.tolist(), strict=True)
    figures = {
        CONFUSION: draw_confusion(report.confusion, names, f"Confusion of {title}"),
        RELIABILITY: draw_reliability(
            bins.confidence.tolist(),
            bins.accuracy.tolist(),
            [wilson_interval(right, count) for right, count in pairs],
            bins.counts.tolist(),
            report.ece,
            f"Reliability of {title}",
        ),
        PER_CLASS: draw_class_scores(
            [row.precision for row in scores],
            [row.recall for row in scores],
            [row.support for row in scores],
            names,
            f"Precision and recall of {title}",
        ),
    }
    pictures = {name: write_figure(figure, folder / name) for name, figure in figures.items()}
    page = html_page(
        evaluation.model,
        data_name,
        report,
        {name: picture.read_bytes() for name, picture in pictures.items()},
        surest_mistakes(evaluation, faces),
        notes,
    )
    _write(folder / REPORT, json.dumps(report.to_json_dict(), allow_nan=False, indent=2) + "\n")
    return _write(folder / PAGE, page)


def surest_mistakes(
    evaluation: Evaluation, faces: FaceSet, limit: int = MOST_MISTAKES
) -> list[Mistake]:
    """Returns the faces decided wrongly with the greatest lead over their label, that one first.

    Args:
        evaluation: What `collect` returned.
        faces: The faces it was given.
        limit: How many, at the most.
    """
    probabilities = softmax(evaluation.logits.astype(np.float64))
    names = evaluation.config.labels
    found = find_disagreements(probabilities, evaluation.labels)[:limit]
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


def _write(path: Path, text: str) -> Path:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written: {error.strerror}") from error
    return path
