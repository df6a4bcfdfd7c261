import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from mien.evaluation import Evaluation, compare, score, truth_of
from mien.evaluation.comparison import bootstrap_interval, group_seeds, mcnemar_exact
from mien.model_folder import ModelConfig

LABELS = ("a", "b")


def evaluation(name, right, seed=None, lr=0.1, train_hash="t", truth=None, labels=LABELS):
    """A model that decided the faces rightly where `right` says so."""
    right = np.asarray(right, bool)
    truth = np.zeros(len(right), np.int64) if truth is None else np.asarray(truth)
    decided = np.where(right, truth, 1 - truth)
    logits = np.eye(2, dtype=np.float32)[decided]
    training = {} if seed is None else {"recipe": recipe(seed, lr), "train_hash": train_hash}
    config = ModelConfig(architecture="logistic", labels=labels, training=training)
    return Evaluation(
        name, config, labels, logits, truth, score(logits, truth, labels), truth_of(truth, None)
    )


def recipe(seed, lr):
    return {"optimizer": {"lr": lr}, "train": {"seed": seed, "epochs": 3}}


def test_mcnemar_by_hand():
    # 2 * (C(8,0) + C(8,1)) / 2^8
    assert mcnemar_exact(7, 1) == mcnemar_exact(1, 7) == pytest.approx(18 / 256)
    assert mcnemar_exact(0, 5) == pytest.approx(2 / 32)
    assert mcnemar_exact(4, 4) == 1.0
    assert mcnemar_exact(0, 0) == 1.0
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
@example(10, 1065)
def test_mcnemar_is_the_two_sided_binomial_test(first, second):
    if first + second:
        total, fewer = first + second, min(first, second)
        ways = 2 * sum(math.comb(total, k) for k in range(fewer + 1))
        exact = float(min(Fraction(1), Fraction(ways, 2**total)))
        assert mcnemar_exact(first, second) == pytest.approx(exact, rel=1e-8, abs=1e-300)
        if exact > 1e-250:  # SciPy gives 0 for 2.7e-300
            expected = stats.binomtest(first, total, 0.5).pvalue
            assert exact == pytest.approx(expected, rel=1e-8)


def test_the_bootstrap_interval_is_that_of_resampled_faces():
    each = np.array([1] * 60 + [-1] * 30 + [0] * 410)
    rng = np.random.default_rng(1)
    means = rng.choice(each, (10_000, 500)).mean(axis=1)
    low, high = bootstrap_interval(60, 30, 500)
    assert (low, high) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.003)
    assert (low, high) == bootstrap_interval(60, 30, 500)


def test_the_bootstrap_interval_covers_a_known_difference_19_times_in_20():
    rng = np.random.default_rng(0)
    draws = rng.multinomial(400, [0.15, 0.10, 0.75], 300)  # the true difference is 0.05
    intervals = [bootstrap_interval(first, second, 400) for first, second, _ in draws.tolist()]
    covered = np.mean([low <= 0.05 <= high for low, high in intervals])
    assert 0.91 < covered < 0.985


def test_the_bootstrap_refuses_counts_that_are_no_parts():
    for counts in ((3, 3, 5), (-1, 0, 5), (0, 0, 0)):
        with pytest.raises(ValueError, match="no parts of"):
            bootstrap_interval(*counts)


def test_differences_are_paired_and_to_the_first():
    first = evaluation("first", [1] * 6 + [0] * 4)
    second = evaluation("second", [0] + [1] * 8 + [0])
    third = evaluation("third", [1] * 6 + [0] * 4)
    comparison = compare([first, second, third])
    better, same = comparison.differences
    assert (better.model, better.reference) == ("second", "first")
    assert better.accuracy_difference == pytest.approx(0.2)
    assert (better.num_only_model_right, better.num_only_reference_right) == (3, 1)
    assert better.mcnemar_p == pytest.approx(2 * 5 / 16)
    low, high = better.accuracy_difference_ci95
    assert low < 0.2 < high
    assert (same.accuracy_difference, same.accuracy_difference_ci95) == (0, (0, 0))
    assert comparison.groups == ()
    document = comparison.to_json_dict()
    assert document["differences"][0]["accuracy_difference_ci95"] == [low, high]


def test_a_comparison_takes_two_models_on_the_same_faces():
    one = evaluation("one", [1, 0, 1])
    with pytest.raises(ValueError, match="two models or more"):
        compare([one])
    with pytest.raises(ValueError, match="different classes"):
        compare([one, evaluation("other", [1, 0, 1], labels=("a", "c"))])
    for other in (
        evaluation("other", [1, 0]),
        evaluation("other", [1, 0, 1], truth=[0, 0, 1]),
    ):
        with pytest.raises(ValueError, match="different faces"):
            compare([one, other])
    # The same faces, though the other model lists its labels in another order.
    turned = evaluation("turned", [1, 1, 1], truth=[1, 1, 1], labels=("b", "a"))
    assert compare([one, turned]).differences[0].num_only_model_right == 1


def test_seeds_of_one_recipe_are_grouped_as_mean_and_sd():
    models = [
        evaluation("s0", [1, 1, 0, 0], seed=0),
        evaluation("other", [1, 1, 1, 1], seed=5, lr=0.2),
        evaluation("s1", [1, 1, 1, 0], seed=1),
        evaluation("s2", [1, 1, 1, 1], seed=2),
        evaluation("no record", [0, 0, 0, 0]),
    ]
    (group,) = group_seeds(models)
    assert (group.models, group.seeds) == (("s0", "s1", "s2"), (0, 1, 2))
    assert group.mean["accuracy"] == pytest.approx(0.75)
    assert group.sd["accuracy"] == pytest.approx(0.25)  # n - 1 in the denominator


def test_neither_the_same_model_twice_nor_other_faces_make_a_group():
    models = [
        evaluation("once", [1, 0], seed=0),
        evaluation("twice", [1, 0], seed=0),
        evaluation("elsewhere", [1, 1], seed=1, train_hash="u"),
    ]
    assert group_seeds(models) == []
