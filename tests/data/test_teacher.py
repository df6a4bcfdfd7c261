"""A teacher's logits: written, joined by row, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from drawn_faces import drawn_set, write_fer_csv
from mien.data import assign_folds, read, read_teacher, write_teacher
from mien.errors import BadInputError, MissingError, UsageError


@pytest.fixture
def faces(tmp_path):
    path = tmp_path / "faces.csv"
    images, labels = drawn_set(40, seed=5)
    write_fer_csv(path, images, labels, ["Training"] * 30 + ["PublicTest"] * 10)
    return read(path)


def test_probabilities_are_joined_by_row_whatever_the_order(faces, tmp_path):
    logits = np.random.default_rng(0).normal(size=(40, 7)).astype(np.float16)
    order = np.random.default_rng(1).permutation(40)
    write_teacher(tmp_path / "t.npz", faces.take(order), logits[order])
    part = faces.take(np.array([7, 3, 20]))
    expected = np.exp(logits[[7, 3, 20]].astype(float))
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(read_teacher(tmp_path / "t.npz", part), expected, rtol=1e-5)


def test_what_does_not_belong_to_the_faces_is_refused(faces, tmp_path):
    path = tmp_path / "t.npz"
    with pytest.raises(MissingError, match=r"t.npz: no such file"):
        read_teacher(path, faces)
    np.save(tmp_path / "t.npy", np.zeros(3))
    with pytest.raises(BadInputError, match=r"t.npy: not a teacher's logits"):
        read_teacher(tmp_path / "t.npy", faces)
    write_teacher(path, faces, np.zeros((40, 7)))
    whole = path.read_bytes()
    for broken in (whole[:200], whole[:-30], whole[:60] + b"????????" + whole[68:]):
        path.write_bytes(broken)
        with pytest.raises(BadInputError, match=r"t.npz: not a teacher's logits"):
            read_teacher(path, faces)
    path.write_bytes(b"something else")
    with pytest.raises(BadInputError, match=r"not a teacher's logits: expected an .npz with rows"):
        read_teacher(path, faces)
    np.savez(path, rows=faces.rows)
    with pytest.raises(BadInputError, match=r"not a teacher's logits"):
        read_teacher(path, faces)
    write_teacher(path, faces.take_split("Training"), np.zeros((30, 7), np.float32))
    with pytest.raises(BadInputError, match=r"no logits of row 30 and 9 more"):
        read_teacher(path, faces)
    other = faces.labels.copy()
    other[4] = (other[4] + 1) % 7
    write_teacher(path, faces, np.zeros((40, 7), np.float32))
    with pytest.raises(BadInputError, match=r"row 4 was labelled .* not the logits of this set"):
        read_teacher(path, replace(faces, labels=other))
    with pytest.raises(UsageError, match=r"t.npz: classes angry, .*; the set has disgust"):
        read_teacher(path, faces.drop_expressions(["angry"]))
    write_teacher(path, faces, np.full((40, 7), np.nan, np.float32))
    with pytest.raises(BadInputError, match=r"not finite"):
        read_teacher(path, faces)
    np.savez_compressed(path, rows=faces.rows, filler=np.zeros(30_000_000, np.uint8))
    with pytest.raises(BadInputError, match=r"30,\d+,\d+ bytes unpacked are too many for 40 faces"):
        read_teacher(path, faces)
    with pytest.raises(ValueError, match=r"do not fit 40 labelled faces"):
        write_teacher(path, faces, np.zeros((40, 6)))


def test_folds_share_every_class_alike():
    labels = np.repeat([0, 1, 2], [53, 10, 37])
    folds = assign_folds(labels, 5, seed=3)
    for label in range(3):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.bincount(folds).tolist() == [20] * 5
    assert (assign_folds(labels, 5, seed=3) == folds).all()
    assert (assign_folds(labels, 5, seed=4) != folds).any()
