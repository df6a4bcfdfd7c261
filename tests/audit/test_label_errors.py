"""Confident learning, held against scikit-learn and the package cleanlab."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from mien.audit import find_label_errors, out_of_fold_probabilities
from mien.data import assign_folds


def test_labels_are_doubted_as_by_cleanlab():
    random = np.random.default_rng(4)
    truth = random.integers(0, 3, 60)
    labels = np.where(random.random(60) < 0.2, random.integers(0, 3, 60), truth)
    shares = np.round(0.5 * random.dirichlet(np.ones(3), 60) + 0.5 * np.eye(3)[truth], 3)
    shares /= shares.sum(axis=1, keepdims=True)
    found = find_label_errors(shares, labels)
    # cleanlab 2.9.0, find_label_issues(labels, shares, filter_by="confident_learning")
    assert np.flatnonzero(found >= 0).tolist() == [15, 36, 50]
    assert (found[found >= 0] == truth[found >= 0]).all()


def test_a_class_without_faces_is_never_likelier():
    shares = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    assert find_label_errors(shares, np.array([0, 0, 1])).tolist() == [-1, -1, -1]


def test_probabilities_are_those_of_scikit_learn_out_of_fold():
    random = np.random.default_rng(0)
    logits = random.normal(size=(300, 4))
    labels = (logits @ random.normal(size=(4, 3)) + random.gumbel(size=(300, 3))).argmax(axis=1)
    found = out_of_fold_probabilities(logits, labels, seed=3)
    folds = assign_folds(labels, 5, seed=3)
    for fold in range(5):
        rest, held_out = folds != fold, folds == fold
        theirs = LogisticRegression(tol=1e-8, max_iter=1000).fit(logits[rest], labels[rest])
        np.testing.assert_allclose(
            found[held_out], theirs.predict_proba(logits[held_out]), atol=1e-4
        )


def test_labels_that_the_logits_tell_exactly_still_give_finite_probabilities():
    labels = np.arange(50) % 2
    found = out_of_fold_probabilities(100 * np.eye(2)[labels], labels)
    assert np.isfinite(found).all()
    assert (found.argmax(axis=1) == labels).all()
