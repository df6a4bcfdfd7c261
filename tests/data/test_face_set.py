"""FaceSet: splits, ratios, dropped classes, counts, hashes, and what it refuses to be."""

import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from drawn_faces import drawn_set, write_fer_csv
from mien.data import FaceSet, read
from mien.errors import UsageError
from mien.labels import EXPRESSIONS


def face_set(labels, names=EXPRESSIONS, splits=None, soft=None, others=None):
    n = len(labels)
    values = {
        "images": np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8),
        "labels": np.array(labels, np.int64),
        "label_names": names,
        "rows": np.arange(n),
        "sources": ("faces.csv",),
        "splits": None if splits is None else np.array(splits, dtype=str),
        "soft_labels": None if soft is None else np.array(soft, np.float32),
    }
    return FaceSet(**{**values, **(others or {})})


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        (("Training", "PublicTest", "PrivateTest"), "train", "Training"),
        (("Training", "PublicTest", "PrivateTest"), "val", "PublicTest"),
        (("Training", "PublicTest", "PrivateTest"), "Dev", "PublicTest"),
        (("Training", "PublicTest", "PrivateTest"), "public_test", "PublicTest"),
        (("Training", "PublicTest", "PrivateTest"), "TEST", "PrivateTest"),
        (("Training", "PublicTest", "PrivateTest"), "privatetest", "PrivateTest"),
        (("train", "validation", "test"), "Training", "train"),
        (("train", "validation", "test"), "PublicTest", "validation"),
        (("train", "validation", "test"), "testing", "test"),
        (("val", "dev"), "dev", "dev"),
    ],
)
def test_splits_in_any_spelling(there, asked, found):
    faces = face_set([0] * len(there), splits=there)
    part = faces.take_split(asked)
    assert part.split_names == (found,)
    assert part.rows.tolist() == [there.index(found)]


@pytest.mark.parametrize("asked", ["holdout", "test", "validation"])
def test_unknown_and_ambiguous_splits_name_those_there_are(asked):
    faces = face_set([0, 1, 2], splits=["train", "val", "dev"])
    with pytest.raises(
        UsageError, match=f"no split '{asked}' in faces.csv; it has train, val, dev"
    ):
        faces.take_split(asked)
    with pytest.raises(UsageError, match="it has no splits"):
        face_set([0]).take_split("train")


def test_ratio_of_fer2013():
    labels = np.repeat(np.arange(7), [3995, 436, 4097, 7215, 4830, 3171, 4965])
    images = np.zeros((len(labels), 8, 8), np.uint8)
    faces = face_set(labels, others={"images": images})
    for stratified in (True, False):
        rest, held = faces.split_by_ratio(0.2, seed=42, stratified=stratified)
        assert (len(rest), len(held)) == (22_967, 5_742)
        assert sorted([*rest.rows, *held.rows]) == list(range(28_709))
        again = faces.split_by_ratio(0.2, seed=42, stratified=stratified)[1]
        other = faces.split_by_ratio(0.2, seed=43, stratified=stratified)[1]
        np.testing.assert_array_equal(held.rows, again.rows)
        assert not np.array_equal(held.rows, other.rows)
        assert (np.diff(held.rows) > 0).all()


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.25, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("n", [10, 33, 100, 101])
def test_ratio_has_scikit_learns_sizes_and_every_class_its_share(fraction, n):
    labels = np.sort(np.random.default_rng(n).integers(0, 3, n))
    rest, held = face_set(labels).split_by_ratio(fraction, seed=0)
    ours = (len(rest), len(held))
    assert ours == tuple(map(len, train_test_split(np.arange(n), test_size=fraction)))
    shares = np.bincount(labels, minlength=3) * len(held) / n
    assert np.abs(np.bincount(held.labels, minlength=3) - shares).max() < 1


def test_ratio_refuses_what_leaves_nothing():
    faces = face_set([0, 1, 2])
    for fraction in (0, 1, -0.1, 1.5, 0.99):
        with pytest.raises(ValueError, match="fraction"):
            faces.split_by_ratio(fraction)
    with pytest.raises(ValueError, match="stratified=False"):
        replace(faces, labels=None, label_names=()).split_by_ratio(0.5)


def test_dropping_renumbers_labels_and_renormalises_soft_labels():
    soft = np.array([[0.5, 0.5, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0], [0, 0.2, 0, 0, 0, 0.2, 0.6]])
    faces = face_set([0, 6, 1], soft=soft).take(np.array([0, 1, 2]))
    got = faces.drop_expressions(["disgusted", "fear"])
    assert got.label_names == ("angry", "happy", "sad", "surprise", "neutral")
    assert got.labels.tolist() == [0, 4]  # the row labelled disgust is gone
    assert got.rows.tolist() == [0, 1]
    np.testing.assert_allclose(got.soft_labels, [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    assert got.counts() == {"angry": 1, "happy": 0, "sad": 0, "surprise": 0, "neutral": 1}


def test_dropping_refuses_unknown_names_and_the_last_two():
    faces = face_set([0, 1, 2], names=("awake", "asleep", "yawning"))
    with pytest.raises(UsageError, match=r"no class 'yawn' in .*; did you mean 'yawning'"):
        faces.drop_expressions(["yawn"])
    with pytest.raises(UsageError, match="fewer than two classes"):
        faces.drop_expressions(["awake", "asleep"])
    with pytest.raises(UsageError, match="has no labels"):
        replace(faces, labels=None, label_names=()).drop_expressions(["awake"])


def test_counts_by_split():
    faces = face_set([0, 1, 1, 0], names=("a", "b"), splits=["y", "x", "x", "x"])
    assert faces.split_names == ("y", "x")
    assert faces.counts_by_split() == {"y": {"a": 1, "b": 0}, "x": {"a": 1, "b": 2}}
    assert faces.counts() == {"a": 2, "b": 2}


def test_taking_keeps_everything_together():
    soft = np.eye(7)[[3, 1, 5]]
    sources = ("c.png", "a.png", "b.png")
    faces = face_set([3, 1, 5], splits=["x", "y", "x"], soft=soft, others={"sources": sources})
    for indices in (np.array([2, 0]), np.array([True, False, True])[[2, 1, 0]]):
        got = faces.take(indices)
        order = [2, 0] if indices.dtype != bool else [0, 2]
        assert got.labels.tolist() == [[3, 1, 5][i] for i in order]
        assert got.soft_labels.argmax(axis=1).tolist() == got.labels.tolist()
        assert got.sources == tuple(sources[i] for i in order)
        assert got.images[:, 0, 0].tolist() == order
    assert len(faces.take(np.array([], int))) == 0


def test_hash_depends_on_the_contents_only(tmp_path):
    images, labels = drawn_set(6, seed=5)
    usages = ["Training"] * 4 + ["PublicTest"] * 2
    one = read(write_fer_csv(tmp_path / "a.csv", images, labels, usages))
    two = read(write_fer_csv(tmp_path / "b.csv.xz", images, labels, usages, quote=True))
    assert one.content_hash() == two.content_hash() == read(tmp_path / "a.csv").content_hash()
    soft = np.full((6, 7), 1 / 7, np.float32)
    for other in (
        replace(one, images=255 - images),
        replace(one, labels=(labels + 1) % 7),
        replace(one, label_names=EXPRESSIONS[::-1]),
        replace(one, splits=one.splits[::-1]),
        replace(one, splits=None),
        replace(one, soft_labels=soft),
        one.take(np.arange(5)),
    ):
        assert other.content_hash() != one.content_hash()


def test_hash_is_the_same_on_every_platform():
    """The hash written out by hand: SHA-256 of a line of JSON, then little-endian arrays."""
    faces = face_set([1, 0], names=("a", "b"), splits=["x", "y"], soft=[[0.25, 0.75], [1, 0]])
    text = '{"images": [2, 8, 8], "label_names": ["a", "b"], "splits": ["x", "y"], '
    text += '"labels": true, "soft_labels": true}'
    content = text.encode() + bytes([0] * 64 + [1] * 64)
    content += struct.pack("<qq", 1, 0) + struct.pack("<ffff", 0.25, 0.75, 1, 0)
    assert faces.content_hash() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": np.zeros((2, 8, 9), np.uint8)},
        {"images": np.zeros((2, 8, 8), np.float32)},
        {"images": np.zeros((2, 8, 8, 4), np.uint8)},
        {"labels": np.array([0, 7])},
        {"labels": np.array([-1, 0])},
        {"labels": np.array([0, 1, 2])},
        {"labels": np.array([0, 1], np.int32)},
        {"labels": None},
        {"label_names": ("a",) * 7},
        {"rows": np.arange(3)},
        {"splits": np.array(["x"])},
        {"splits": np.array([0, 1])},
        {"soft_labels": np.full((2, 7), 1, np.float32)},
        {"soft_labels": np.full((2, 6), 1 / 6, np.float32)},
        {"sources": ("a", "b", "c")},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)) + "|label"):
        face_set([0, 1], others=wrong)
