"""What averaging views at test time buys: docs/test-time-views.md.

    python benchmarks/views.py --data fer2013.csv MODEL ...

Each way of looking is measured with every model on PublicTest and averaged over the models.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np

from mien.classifier import Classifier
from mien.data import read
from mien.evaluation import metrics
from mien.views import zoom
from speedrun import accuracy

PAGE = Path(__file__).parents[1] / "docs" / "test-time-views.md"
SPLIT = "PublicTest"
REGIONS = (38, 40, 42, 44, 46, 48)
CORNERS = {"top left": (0, 0), "top right": (0, 4), "low left": (4, 0), "low right": (4, 4)}
FIVE = (44, *CORNERS)

WAYS: dict[str, tuple[int | str, ...]] = {
    "the centre's 44 of 48 pixels": (44,),
    "five crops of 44, centre and corners": FIVE,
    "the whole face, 48 pixels brought to 44": (48,),
    "the centre's 40 pixels brought to 44": (40,),
    "two zooms, 44 and 48": (44, 48),
    "**three zooms, 40, 44 and 48**": (40, 44, 48),
    "five zooms, 40 to 48": (40, 42, 44, 46, 48),
    "six zooms, 38 to 48": REGIONS,
    "five crops and two zooms, 40 and 48": (*FIVE, 40, 48),
}

Logits = dict[int | str, tuple[np.ndarray, np.ndarray]]
"""Of each view and of its mirror image, float32 `[N, K]` each."""

HEAD = """\
# Views at test time

Logits are averaged over several views of a face, each 44 x 44, what the network takes. Means over
{models},
on PublicTest. The difference is to the centre and its mirror image, paired by model, ± its standard
deviation. Where accuracies lie within half a point of each other, the log loss is the finer scale.

| views | one of each: % | with mirror images: % | difference | log loss |
|---|---|---|---|---|
"""

FOOT = """
A network sees five crops nearly alike, so they err alike; zooms differ more. `--tta` takes the
three zooms: six views instead of the ten of the usual crops. More of them gain little.

These nets learnt from faces resampled with linear weights, softer than the centre as it is. The
model `fer2013` learnt from sharp ones too (`augment.resampling`): its centre is right more often,
and test-time views add 1.0 points (accuracy.md).

    python benchmarks/views.py --data fer2013.csv MODEL ...
"""


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("models", nargs="+", type=Path)
    options = parser.parse_args()
    faces = read(options.data).take_split(SPLIT)
    models = [
        logits_of_views(Classifier(model, 1, "float32"), faces.images) for model in options.models
    ]
    rows = [row(name, views, models, faces.labels) for name, views in WAYS.items()]
    names = ", ".join(model.name for model in options.models)
    PAGE.write_text(HEAD.format(models=names) + "\n".join(rows) + "\n" + FOOT)
    print(PAGE.read_text())


def logits_of_views(classifier: Classifier, faces: np.ndarray) -> Logits:
    """Returns the logits of each view and of its mirror image, float32 `[N, K]` each."""
    views = {region: zoom(faces, region, 44) for region in REGIONS}
    for name, (top, left) in CORNERS.items():
        views[name] = faces[:, top : top + 44, left : left + 44]
    return {
        name: (classifier.run(view[..., None]), classifier.run(view[:, :, ::-1, None]))
        for name, view in views.items()
    }


def row(name: str, views: tuple[int | str, ...], models: list[Logits], labels: np.ndarray) -> str:
    """Returns a way of looking as a row of the table."""

    def percent(logits: np.ndarray) -> float:
        return 100 * accuracy(logits, labels)

    once = [np.mean([logits[view][0] for view in views], axis=0) for logits in models]
    twice = [np.mean([logits[view] for view in views], axis=(0, 1)) for logits in models]
    start = [np.mean(logits[44], axis=0) for logits in models]
    gains = [percent(a) - percent(b) for a, b in zip(twice, start, strict=True)]
    spread = f" ± {statistics.stdev(gains):.2f}" if len(gains) > 1 and any(gains) else ""
    return (
        f"| {name} | {statistics.fmean(map(percent, once)):.2f} "
        f"| {statistics.fmean(map(percent, twice)):.2f} "
        f"| {statistics.fmean(gains):+.2f}{spread} "
        f"| {statistics.fmean(metrics.log_loss(each, labels) for each in twice):.4f} |"
    )


if __name__ == "__main__":
    main()
