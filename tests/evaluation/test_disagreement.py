import numpy as np

from mien.evaluation.metrics import find_disagreements


def test_the_surest_disagreement_comes_first_and_agreement_is_left_out():
    opinions = np.array([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.5, 0.5]])
    labels = np.array([0, 0, 0, 1])
    assert find_disagreements(opinions, labels).tolist() == [2, 1]


def test_equals_keep_the_order_of_the_rows():
    opinions = np.array([[0.2, 0.8]] * 3)
    assert find_disagreements(opinions, np.zeros(3, np.int64)).tolist() == [0, 1, 2]
