"""Groups of faces: planted gaps, SciPy's intervals and tests, and tables that are wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from mien.data import FaceSet, read
from mien.errors import BadInputError, MissingError
from mien.evaluation import Evaluation, read_groups, score, score_groups, truth_of
from mien.evaluation.groups import MIN_CONFIDENCE, permutation_p
from mien.inference import face
from mien.labels import EXPRESSIONS
from mien.model_folder import ModelConfig

NEUTRAL = EXPRESSIONS.index("neutral")


def judged(is_right, votes=None, labels=None):
    """Returns neutral faces, and the evaluation of a model that reads the others angry."""
    is_right = np.asarray(is_right, bool)
    n = len(is_right)
    labels = np.full(n, NEUTRAL) if labels is None else labels
    logits = np.zeros((n, 7), np.float32)
    logits[np.arange(n), np.where(is_right, labels, 0)] = 5
    faces = FaceSet(
        np.zeros((n, 8, 8), np.uint8), labels, EXPRESSIONS, np.arange(n), ("set.csv",), votes=votes
    )
    report = score(logits, labels, EXPRESSIONS, votes=votes)
    config = ModelConfig(architecture="logistic", labels=EXPRESSIONS)
    return Evaluation(
        "m", config, EXPRESSIONS, logits, labels, report, truth_of(labels, votes)
    ), faces


def deal(random, sizes, rates):
    """Returns the group of each face, and whether it is decided rightly, at the groups' rates."""
    names = np.repeat([f"group {i}" for i in range(len(sizes))], sizes)
    return names, random.random(len(names)) < np.repeat(rates, sizes)


def test_a_planted_gap_is_found_and_chance_does_not_explain_it():
    names, is_right = deal(np.random.default_rng(0), [300, 400, 200], [0.9, 0.7, 0.88])
    (column,) = score_groups(*judged(is_right), {"light": names})
    assert [group.num_faces for group in column.groups] == [300, 400, 200]
    for group in column.groups:
        right = is_right[names == group.name]
        assert group.accuracy is not None
        assert group.accuracy.share == pytest.approx(right.mean())
        wilson = stats.binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        np.testing.assert_allclose(group.accuracy.ci95, wilson, atol=1e-12)
    assert column.gap is not None
    assert column.gap.worst == "group 1"
    shares = [group.accuracy.share for group in column.groups if group.accuracy]
    assert column.gap.accuracy_difference == pytest.approx(max(shares) - min(shares))
    assert column.gap.p < 0.001


def test_without_a_gap_p_is_uniform():
    """Of 80 tables without a gap about a twentieth fall below 0.05, as a p-value must."""
    ps = []
    for seed in range(80):
        names, is_right = deal(np.random.default_rng(seed), [150, 200, 120], [0.8] * 3)
        counts = np.array([is_right[names == name].sum() for name in np.unique(names)])
        ps.append(permutation_p(counts, np.array([150, 200, 120]), seed=seed))
    assert stats.binomtest(sum(p < 0.05 for p in ps), 80, 0.05).pvalue > 0.01
    assert stats.kstest(ps, "uniform").pvalue > 0.01


def test_p_is_fishers_of_two_groups_of_one_size():
    """Then tables with at least the gap are those that are at most as probable."""
    random = np.random.default_rng(7)
    for _ in range(8):
        n = int(random.integers(30, 120))
        right = random.binomial(n, [0.75, 0.65])
        table = [[right[0], n - right[0]], [right[1], n - right[1]]]
        expected = stats.fisher_exact(table).pvalue  # type: ignore[attr-defined]
        deviation = 3 * np.sqrt(expected * (1 - expected) / 10_000) + 2e-4
        assert permutation_p(right, np.array([n, n])) == pytest.approx(expected, abs=deviation)


def test_p_is_that_of_scipys_permutation_test_of_the_gap():
    random = np.random.default_rng(8)
    parts = [random.random(size) < rate for size, rate in ((40, 0.9), (70, 0.7), (55, 0.8))]
    found = stats.permutation_test(
        parts,
        lambda *groups: np.ptp([group.mean() for group in groups]),
        n_resamples=3000,
        vectorized=False,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    counts, sizes = (np.array([f(part) for part in parts]) for f in (np.sum, len))
    assert permutation_p(counts, sizes) == pytest.approx(found.pvalue, abs=0.02)


def test_small_groups_are_shown_but_take_no_part_in_the_gap():
    names = np.repeat(["many", "also", "few"], [60, 60, 29])
    is_right = np.concatenate([np.arange(60) < 45, np.arange(60) < 48, np.zeros(29, bool)])
    evaluation, faces = judged(is_right)
    (column,) = score_groups(evaluation, faces, {"a": names})
    assert {group.name: group.num_faces for group in column.groups} == {
        "also": 60, "few": 29, "many": 60
    }  # fmt: skip
    assert column.gap is not None
    assert (column.gap.best, column.gap.worst) == ("also", "many")
    lonely = np.where(names == "many", "many", "")
    (column,) = score_groups(evaluation, faces, {"a": lonely})
    assert (column.gap, column.num_without) == (None, 89)


def test_false_alarms_and_coverage_are_the_groups_own():
    votes = np.zeros((6, 10), np.int64)
    votes[:, NEUTRAL], votes[5, :2] = 10, 5
    votes[5, NEUTRAL] = 0  # undecided: does not count
    evaluation, faces = judged([1, 0, 0, 1, 1, 1], votes)
    evaluation.logits[3] /= 5  # decided with 0.31
    groups = {"a": np.array(["x", "x", "y", "y", "y", "z"])}
    (column,) = score_groups(evaluation, faces, groups)
    x, y, z = column.groups
    assert x.false_alarms is not None and y.false_alarms is not None
    assert (x.false_alarms.count, x.false_alarms.share) == (1, 0.5)
    assert (y.false_alarms.count, y.false_alarms.share) == (1, pytest.approx(1 / 3))
    assert (x.coverage, y.coverage) == (1, pytest.approx(2 / 3))
    assert (z.num_faces, z.accuracy, z.coverage) == (0, None, None)


def test_the_bound_of_coverage_is_that_of_reading_pictures():
    assert MIN_CONFIDENCE == face.MIN_CONFIDENCE


def faces_of_rows(*rows):
    n = len(rows)
    images = np.zeros((n, 8, 8), np.uint8)
    return FaceSet(images, np.zeros(n, np.int64), ("happy",), np.array(rows), ("set.csv",))


def written(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_text(text)
    return path


def test_a_table_may_be_in_any_order_have_gaps_and_name_other_splits(tmp_path):
    whole = faces_of_rows(0, 1, 2, 3, 4)
    path = written(tmp_path, "\ufeffRow,light,age group\n4, night ,old\n\n02,day,\n0,day,young\n")
    found = read_groups(path, whole.take(np.array([2, 3, 4])), whole)
    assert {name: column.tolist() for name, column in found.items()} == {
        "light": ["day", "", "night"],
        "age group": ["", "", "old"],
    }


def test_pictures_are_named_by_their_file(tmp_path):
    for name in ("happy/a.png", "happy/b.png", "sad/a.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (48, 48)).save(tmp_path / "set" / name)
    faces = read(tmp_path / "set")
    path = written(tmp_path, "file,light\nsad/a.png,night\nhappy/b.png,day\n")
    found = read_groups(path, faces, folder=tmp_path / "set")
    assert found["light"].tolist() == ["", "day", "night"]
    path = written(tmp_path, "file,light\nsad/b.png,night\n")
    with pytest.raises(BadInputError, match=r"groups.csv:2: file 'sad/b.png' is not in"):
        read_groups(path, faces, folder=tmp_path / "set")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "groups.csv: is empty; expected a CSV with the columns row"),
        ("light\nday\n", "groups.csv:1: the header is 'light'; expected"),
        ("row\n1\n", "groups.csv:1: the header is 'row'; expected"),
        ("row,a,a\n1,x,y\n", "groups.csv:1: the header is 'row,a,a'; .* a name of its own"),
        ("row,a\n0,x\n1,x,y\n", r"groups.csv:3: 3 cells, expected 2 \(row,a\)"),
        ("row,a\nfirst,x\n", "groups.csv:2: row 'first', expected a whole number from 0"),
        ("row,a\n-1,x\n", "groups.csv:2: row '-1', expected a whole number"),
        ("row,a\n0,x\n\n1,y\n00,y\n", "groups.csv:5: row 0 again; it stands in line 2"),
        ("row,a\n0,x\n9,y\n", "groups.csv:3: row '9' is not in .* has 3, from '0' to '2'"),
        (f"row,a\n{'9' * 5000},y\n", "groups.csv:2: row '99+' is not in"),
        ("file,a\nx.png,y\n", "groups.csv:1: the column file is for folders"),
        ('row,a\n0,"x\n', "groups.csv:2: is no CSV"),
        ("row,a\n2,x\n", "groups.csv: has no line for any of the 2 faces"),
    ],
)
def test_a_table_that_is_wrong_is_told_where(tmp_path, text, message):
    whole = faces_of_rows(0, 1, 2)
    with pytest.raises(BadInputError, match=message):
        read_groups(written(tmp_path, text), whole.take(np.array([0, 1])), whole)


def test_a_table_that_is_no_text_or_not_there(tmp_path):
    path = tmp_path / "groups.csv"
    with pytest.raises(MissingError, match=r"groups.csv: no such file"):
        read_groups(path, faces_of_rows(0))
    path.write_bytes(b"row,a\n0,\xff\n")
    with pytest.raises(BadInputError, match=r"groups.csv: is no UTF-8 text"):
        read_groups(path, faces_of_rows(0))


def test_rows_that_were_skipped_as_bad_may_be_named(tmp_path):
    faces = replace(faces_of_rows(0, 2), problems=("set.csv:3: bad",))
    found = read_groups(written(tmp_path, "row,a\n0,x\n1,y\n2,z\n"), faces)
    assert found["a"].tolist() == ["x", "z"]
