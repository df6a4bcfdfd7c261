"""A model and labelled faces → logits, and the report on them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from mien.classifier import Classifier, Precision
from mien.data import FaceSet
from mien.errors import BadInputError, UsageError
from mien.evaluation import metrics
from mien.evaluation.calibration import Calibration, score_calibration
from mien.evaluation.faces import SELECTION, read_for_model, selection_faces
from mien.evaluation.votes import Truth, VotesReport, score_votes, truth_of
from mien.model_folder import ModelConfig


@dataclass(frozen=True)
class Report:
    """How well a model did on a labelled set; all numbers are plain Python numbers.

    Attributes:
        num_faces: Faces scored.
        num_views: Views of each face whose logits were averaged; 1 without test-time views.
        accuracy: Fraction decided rightly.
        accuracy_ci95: Wilson's 95 % interval of the accuracy.
        balanced_accuracy, macro_recall: Mean recall over the classes that have faces: one figure
            under both its names.
        macro_precision, macro_f1: Means over the classes that have faces or were predicted.
        log_loss: Mean negative log likelihood, nats.
        ece: Expected calibration error, 15 equal-mass bins of the decision's probability.
        per_class: By label, in the order of the model's labels.
        confusion: Rows are the true classes, columns the predicted ones, in the same order.
        votes: The same against annotators' votes; None if the set has no votes.
        coverages: How many faces are left, and how many of these are right, where less confident
            answers are not given; empty in reports of earlier versions.
        calibration: Before and after the temperature, cross-fitted, and by expression; None of
            fewer than 20 faces and in reports of earlier versions.
        without_twins: The same without the faces that have a twin in another set; None where
            none were looked for.
    """

    num_faces: int
    num_views: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    balanced_accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    log_loss: float
    ece: float
    per_class: dict[str, metrics.ClassReport]
    confusion: tuple[tuple[int, ...], ...]
    votes: VotesReport | None = None
    coverages: tuple[metrics.Coverage, ...] = ()
    calibration: Calibration | None = None
    without_twins: "WithoutTwins | None" = None

    def to_json_dict(self) -> dict[str, Any]:
        """Returns the report as JSON's own types; `votes`, `without_twins` only if it has any."""
        document = json.loads(json.dumps(asdict(self)))
        for name in ("votes", "without_twins"):
            if document[name] is None:
                del document[name]
        if self.without_twins is not None:
            document["without_twins"]["report"] = self.without_twins.report.to_json_dict()
        return document


@dataclass(frozen=True)
class WithoutTwins:
    """The figures without the faces that have a twin, the same picture, in another set.

    Attributes:
        others: The other set, as `PATH` or `PATH:SPLIT`.
        num_left_out: Faces with a twin there.
        report: On the other faces.
    """

    others: str
    num_left_out: int
    report: Report


def read_report(document: dict[str, Any]) -> Report:
    """Returns the report that `Report.to_json_dict` gave; keys of other versions are left out.

    Raises:
        pydantic.ValidationError: It is no such document.
    """
    return TypeAdapter(Report).validate_python(document)


def score(
    logits: np.ndarray,
    labels: np.ndarray,
    label_names: tuple[str, ...],
    num_views: int = 1,
    votes: np.ndarray | None = None,
    temperature: float = 1.0,
) -> Report:
    """Returns the report on given logits.

    Args:
        logits: Floats `[N, K]`.
        labels: Integers `[N]`, from 0 to K - 1.
        label_names: The K class names in the order of the logits.
        num_views: How many views of each face went into its logits; only reported.
        votes: int64 `[N, K + 3]`, as `FaceSet.votes`, in the order of the logits.
        temperature: That the logits were divided by, for the calibration error without it.

    Raises:
        ValueError: The arguments do not fit each other, or hold no face.

    Example:
        >>> import numpy as np
        >>> from mien.evaluation import score
        >>> logits = np.log([[0.7, 0.3], [0.4, 0.6], [0.8, 0.2]])
        >>> report = score(logits, np.array([0, 1, 1]), ("happy", "neutral"))
        >>> round(report.accuracy, 2), report.confusion
        (0.67, ((1, 0), (1, 1)))
    """
    confusion = metrics.confusion_matrix(logits, labels)
    if len(label_names) != len(confusion):
        raise ValueError(f"{len(confusion)} logits per face, but {len(label_names)} label names")
    by_votes = None
    if votes is not None:
        by_votes = score_votes(logits, labels, votes, label_names, temperature)
    num_faces, num_correct = int(confusion.sum()), int(np.trace(confusion))
    scores = metrics.class_scores(confusion)
    return Report(
        num_faces=num_faces,
        num_views=num_views,
        accuracy=metrics.accuracy(confusion),
        accuracy_ci95=metrics.wilson_interval(num_correct, num_faces),
        balanced_accuracy=metrics.balanced_accuracy(confusion),
        macro_precision=metrics.macro_mean(scores.precision, confusion),
        macro_recall=metrics.balanced_accuracy(confusion),
        macro_f1=metrics.macro_mean(scores.f1, confusion),
        log_loss=metrics.log_loss(logits, labels),
        ece=metrics.expected_calibration_error(logits, labels),
        per_class=metrics.class_reports(confusion, label_names),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        votes=by_votes,
        coverages=metrics.coverages(logits, labels),
        calibration=score_calibration(logits, labels, label_names, temperature),
    )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model on a labelled set, face by face.

    Attributes:
        model: What it was called: `default`, or the path of a model folder or run.
        config: The model's.
        label_names: The K classes that count: the model's, or those of them it is compared on.
        logits: float32 `[N, K]`, of the views together.
        labels: int64 `[N]`, as indices of `label_names`.
        report: How well it did.
        truth: The annotators' majority where the set has votes, else the labels.
        classifier: The model at work, to look at other faces.
    """

    model: str
    config: ModelConfig
    label_names: tuple[str, ...]
    logits: np.ndarray
    labels: np.ndarray
    report: Report
    truth: Truth
    classifier: Classifier | None = None

    @property
    def read_by(self) -> str:
        """Precision and device, and the first 16 digits of the network's SHA-256."""
        if self.classifier is None:
            return ""
        which = f"{self.classifier.precision} on {self.classifier.device}"
        return f"{which}, network {self.classifier.digest[:16]}"

    @property
    def correct(self) -> np.ndarray:
        """Whether each face was decided rightly, bool `[N]`."""
        return self.logits.argmax(axis=1) == self.labels

    @property
    def agrees(self) -> np.ndarray:
        """Whether each face of `truth` was decided as that says, bool `[n]`."""
        return self.logits[self.truth.rows].argmax(axis=1) == self.truth.labels

    def decide(self, images: np.ndarray) -> np.ndarray:
        """Returns the model's decisions on other faces, as many views and classes as here.

        Args:
            images: uint8 `[n, S, S]` or `[n, S, S, 3]`.

        Returns:
            int64 `[n]`, indices of `label_names`.
        """
        assert self.classifier is not None
        logits = self.classifier.logits(images, tta=self.report.num_views > 1)
        columns = [self.classifier.labels.index(name) for name in self.label_names]
        return logits[:, columns].argmax(axis=1)


def evaluate(
    model: Classifier | str | Path,
    faces: FaceSet | str | Path,
    tta: bool = False,
    *,
    split: str | None = None,
    votes: str | Path | None = None,
    precision: Precision = "float32",
    device: str = "auto",
) -> Report:
    """Returns the report on a model over a labelled set.

    Errors are those of `collect`, which also returns the logits, and of `mien.data.read`.

    Args:
        model: A loaded classifier, or `default`, a model folder, or a run that holds one.
        faces: The labelled set, or its path: a CSV or a folder, read as the model was made for.
        tta: Average the logits of the test-time views.
        split: One split of it only; `selection`: the faces that the model was selected on; None
            for all faces.
        votes: With a path: FER+'s votes of the same rows.
        precision: Of a model that is named, as `Classifier` takes it; so is the next.
        device: What it runs on.

    Example:
        >>> from mien.data import read
        >>> from mien.evaluation import evaluate
        >>> report = evaluate("default", "faces.csv", split="PublicTest")
        >>> report.num_faces, 0 <= report.accuracy <= 1
        (28, True)
        >>> report == evaluate("default", read("faces.csv"), split="PublicTest")
        True
    """
    named = not isinstance(model, Classifier)
    classifier = Classifier(model, 0, precision, device) if named else model
    if isinstance(faces, str | Path):
        chosen = read_for_model(classifier.config, faces, split, votes=votes).faces
    elif votes is not None:
        raise UsageError("votes go with a path; of faces that are read: mien.data.read(…, votes)")
    elif split == SELECTION:
        chosen = selection_faces(classifier.config, faces)
    else:
        chosen = faces if split is None else faces.take_split(split)
    return collect(classifier, chosen, tta).report


def collect(
    model: Classifier | str | Path,
    faces: FaceSet,
    tta: bool = False,
    classes: tuple[str, ...] | None = None,
    *,
    precision: Precision = "float32",
    device: str = "auto",
) -> Evaluation:
    """Returns a model's logits of every face of a labelled set, and the report on them.

    Classes are matched by name: the set may list them in another order, or lack some. Faces are not
    resized: they must have the model's `face_size`.

    Args:
        model: A loaded classifier, or `default`, a model folder, or a run that holds one.
        faces: The labelled faces; `FaceSet.take_split` chooses a part.
        tta: Average the logits of the test-time views (`mien.views`).
        classes: Some of the model's classes, where it is compared with one that lacks the others:
            only their logits are kept, so the probabilities are those that the model gives each
            class if it must be one of these, P(class) / (sum of P over `classes`). None: all.
        precision: Of a model that is named, as `Classifier` takes it; so is the next.
        device: What it runs on.

    Raises:
        MissingError: No such model.
        BadInputError: The model cannot be read or gives no finite logits; the set is empty, has
            no labels, other face sizes, or faces of classes that the model does not know.

    Example:
        >>> from mien.data import read
        >>> from mien.evaluation import collect
        >>> evaluation = collect("default", read("faces.csv"))
        >>> evaluation.logits.shape, evaluation.report.num_faces
        ((98, 7), 98)
    """
    named = not isinstance(model, Classifier)
    classifier = Classifier(model, 0, precision, device) if named else model
    names = classes or classifier.labels
    labels = _labels_of_model(faces, names)
    votes = votes_of_model(faces, names)
    given, side = faces.face_size, classifier.config.face_size
    if given != side:
        raise BadInputError(
            f"the faces are {given}x{given} pixels, but {classifier.folder} expects {side}x{side}"
        )
    logits = classifier.logits(faces.images, tta)
    if not np.isfinite(logits).all():
        raise BadInputError(f"{classifier.folder}: gives logits that are not finite numbers")
    logits = logits[:, [classifier.labels.index(name) for name in names]]
    called = str(model if named else classifier.folder)
    temperature = classifier.config.temperature
    report = score(logits, labels, names, classifier.num_views(tta), votes, temperature)
    truth = truth_of(labels, votes)
    return Evaluation(
        called,
        classifier.config,
        names,
        logits,
        labels,
        report,
        truth,
        classifier,
    )


def _labels_of_model(faces: FaceSet, known: tuple[str, ...]) -> np.ndarray:
    """Returns the set's labels, int64 `[N]`, as indices of the model's label names."""
    if len(faces) == 0:
        raise BadInputError("there are no faces to evaluate")
    if faces.labels is None:
        raise BadInputError("the faces have no labels: there is nothing to evaluate against")
    occurring = [faces.label_names[index] for index in np.unique(faces.labels)]
    unknown = [name for name in occurring if name not in known]
    if unknown:
        raise BadInputError(
            f"the set has faces labelled {', '.join(map(repr, unknown))}, which the model does "
            f"not know; its labels are {', '.join(known)}"
        )
    position = {name: index for index, name in enumerate(known)}
    return np.array([position.get(name, -1) for name in faces.label_names])[faces.labels]


def votes_of_model(faces: FaceSet, known: tuple[str, ...]) -> np.ndarray | None:
    """Returns the set's votes, if any, with a column for each of the model's classes."""
    if faces.votes is None:
        return None
    num_classes = len(faces.label_names)
    votes = np.zeros((len(faces), len(known) + faces.votes.shape[1] - num_classes), np.int64)
    for column, name in enumerate(known):
        if name in faces.label_names:
            votes[:, column] = faces.votes[:, faces.label_names.index(name)]
    votes[:, len(known) :] = faces.votes[:, num_classes:]
    return votes
