"""Labels that are likely wrong: confident learning on out-of-fold probabilities.

Northcutt, Jiang, Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 2021.
"""

import numpy as np

from mien.classifier import softmax
from mien.data import FaceSet, assign_folds
from mien.data.splits import find_split
from mien.model_folder import ModelConfig

NUM_FOLDS = 5
_PENALTY = 1.0  # on half the squared weights, as scikit-learn's LogisticRegression with C = 1
_MOST_STEPS, _SMALL_STEP = 50, 1e-6


def has_learnt(config: ModelConfig, faces: FaceSet) -> np.ndarray:
    """Returns of which faces a model has learnt these very labels, bool `[N]`.

    The model's training record has hashes of the set and of the training faces. A model that
    learnt from annotators' votes alone (`train.vote_weight` is 1, and it was not fine-tuned from
    another model) has not learnt the labels of any face.

    Args:
        config: The model's.
        faces: The whole set.

    Example:
        >>> from mien import Classifier
        >>> from mien.audit import has_learnt
        >>> from mien.data import read
        >>> has_learnt(Classifier("runs/first").config, read("faces.csv")).sum()
        np.int64(70)
    """
    record = config.training
    if record.setting("train.vote_weight") == 1 and record.init is None:
        return np.zeros(len(faces), bool)
    faces = faces.without_opinions()
    train_split = record.setting("data.train_split", "")
    if faces.content_hash() in (record.data_hash, record.train_hash):
        name = find_split(train_split, faces.split_names)
        return np.ones(len(faces), bool) if name is None else faces.splits == name
    learnt = np.zeros(len(faces), bool)
    for name in faces.split_names:
        if faces.take_split(name).content_hash() == record.train_hash:
            learnt |= faces.splits == name
    return learnt


def out_of_fold_probabilities(logits: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Returns how likely each class is to be a face's label, float64 `[N, K]`; rows sum to 1.

    A multinomial logistic regression of the labels on the logits, in five folds: each face is
    judged by the four folds it is not in.

    Args:
        logits: Floats `[N, L]`, of a model that has not learnt these labels. Its classes need not
            be those of the labels.
        labels: int64 `[N]`, 0 to K - 1.
        seed: Decides which faces are in one fold.

    Example:
        >>> import numpy as np
        >>> from mien.audit import out_of_fold_probabilities
        >>> labels = np.arange(40) % 2
        >>> logits = np.eye(3)[labels + 1]
        >>> out_of_fold_probabilities(logits, labels).argmax(axis=1)[:6]
        array([0, 1, 0, 1, 0, 1])
    """
    num_classes = int(labels.max()) + 1
    inputs = np.hstack([logits.astype(np.float64), np.ones((len(logits), 1))])
    folds = assign_folds(labels, NUM_FOLDS, seed)
    probabilities = np.empty((len(labels), num_classes))
    for fold in range(NUM_FOLDS):
        held_out = folds == fold
        weights = fit_logistic(inputs[~held_out], labels[~held_out], num_classes)
        probabilities[held_out] = softmax(inputs[held_out] @ weights)
    return probabilities


def fit_logistic(inputs: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the weights of a multinomial logistic regression, float64 `[F, K]`.

    Newton's method on the penalised likelihood; a step that makes it worse is halved. The last
    input is the constant 1 and is not penalised.

    Args:
        inputs: float64 `[N, F]`.
        labels: int64 `[N]`, 0 to K - 1.
        num_classes: K.
    """
    num_inputs = inputs.shape[1]
    targets = np.eye(num_classes)[labels]
    penalty = np.full((num_inputs, 1), _PENALTY)
    penalty[-1] = 1e-6  # not 0: the curvature must have an inverse

    def loss(weights: np.ndarray) -> float:
        scores = inputs @ weights
        scores -= scores.max(axis=1, keepdims=True)
        fit = (targets * scores).sum() - np.log(np.exp(scores).sum(axis=1)).sum()
        return float((penalty * weights**2).sum() / 2 - fit)

    weights = np.zeros((num_inputs, num_classes))
    least = loss(weights)
    for _ in range(_MOST_STEPS):
        shares = softmax(inputs @ weights)  # [N, K]
        slope = inputs.T @ (targets - shares) - penalty * weights  # [F, K]
        weighted = shares[:, :, None] * inputs[:, None, :]  # [N, K, F]
        flat = weighted.reshape(len(inputs), -1)
        curvature = np.diag(np.tile(penalty[:, 0], num_classes)) - flat.T @ flat
        for place in range(num_classes):
            own = slice(place * num_inputs, (place + 1) * num_inputs)
            curvature[own, own] += weighted[:, place].T @ inputs
        step = np.linalg.solve(curvature, slope.T.ravel()).reshape(num_classes, num_inputs).T
        while np.abs(step).max() > _SMALL_STEP and loss(weights + step) > least:
            step /= 2
        weights += step
        least = loss(weights)
        if np.abs(step).max() <= _SMALL_STEP:
            break
    return weights


def find_label_errors(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the class that each face more likely belongs to, int64 `[N]`; -1: its label stands.

    A class is confident of a face if it gives it at least the mean probability that it gives the
    faces with its label. A label is likely wrong where another class is confident, more probable
    than any other confident class, and the label is not the most probable class anyway. (The
    off-diagonal of the confident joint, Northcutt et al. 2021, equations 1 and 2; the last
    condition is that of the package cleanlab.)

    Args:
        probabilities: Floats `[N, K]`, of models that did not learn the face's label.
        labels: int64 `[N]`, 0 to K - 1.

    Example:
        The last face is labelled 0 and looks like 1:

        >>> import numpy as np
        >>> from mien.audit import find_label_errors
        >>> likely_zero = np.array([0.9, 0.8, 0.2, 0.1, 0.05])
        >>> labels = np.array([0, 0, 1, 1, 0])
        >>> find_label_errors(np.stack([likely_zero, 1 - likely_zero], axis=1), labels)
        array([-1, -1, -1, -1,  1])
    """
    num_classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=num_classes)
    sums = np.bincount(labels, weights=own, minlength=num_classes)
    least = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = probabilities >= least
    likely = np.where(confident, probabilities, -1.0).argmax(axis=1)
    wrong = confident.any(axis=1) & (likely != labels)
    wrong &= probabilities.argmax(axis=1) != labels
    return np.where(wrong, likely, -1)
