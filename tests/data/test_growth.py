import numpy as np
import pytest

from drawn_faces import drawn_set
from mien.data import FaceSet, grow, oversample
from mien.errors import UsageError
from mien.labels import EXPRESSIONS

# FER2013's Training rows, as published.
TRAINING_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)


def face_set(images: np.ndarray, labels: np.ndarray) -> FaceSet:
    return FaceSet(
        images=images,
        labels=labels,
        label_names=EXPRESSIONS,
        rows=np.arange(len(labels)),
        sources=("made.csv",),
    )


def test_disgust_grows_as_in_report_d():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(7), TRAINING_COUNTS))
    whole = face_set(np.zeros((len(labels), 8, 8), np.uint8), labels)
    rest, held_out = whole.split_by_ratio(0.2, seed=42, stratified=True)
    assert (len(rest), len(held_out)) == (22_967, 5_742)
    assert rest.counts()["disgust"] == 349
    grown = grow(rest, ["disgust"], seed=42)
    assert len(grown) == 24_014
    assert grown.counts()["disgust"] == 1_396
    assert {**grown.counts(), "disgust": 349} == rest.counts()


def test_copies_are_mirrored_then_rotated():
    images, labels = drawn_set(21, seed=0)
    faces = face_set(images, labels)
    members = np.flatnonzero(labels == 1)
    grown = grow(faces, ["disgust"], seed=1)
    count = len(members)
    np.testing.assert_array_equal(grown.images[:21], images)
    mirrored = grown.images[21 : 21 + count]
    np.testing.assert_array_equal(mirrored, images[members][:, :, ::-1])
    rotated = grown.images[21 + count :]
    sources = np.concatenate([images[members], mirrored])
    assert len(rotated) == 2 * count
    for turned, source in zip(rotated, sources, strict=True):
        inner = (slice(12, 36), slice(12, 36))  # away from the black corners
        difference = np.abs(turned[inner].astype(int) - source[inner]).mean()
        assert difference < 25, "a few degrees leave the middle much as it was"
    assert any((turned != source).any() for turned, source in zip(rotated, sources, strict=True))
    np.testing.assert_array_equal(grow(faces, ["disgust"], seed=1).images, grown.images)
    assert grown.rows[21:].tolist() == [*members, *members, *members]


def test_classes_grow_one_after_the_other_and_unknown_ones_are_refused():
    images, labels = drawn_set(14, seed=0)
    grown = grow(face_set(images, labels), ["disgust", "fear"], seed=0)
    assert grown.counts() == {**dict.fromkeys(EXPRESSIONS, 2), "disgust": 8, "fear": 8}
    with pytest.raises(UsageError, match=r"'disgusted'.*did you mean 'disgust'"):
        grow(face_set(images, labels), ["disgusted"], seed=0)


def test_oversampling_makes_classes_equal_and_repeats_evenly():
    labels = np.array([0] * 7 + [1] * 3 + [2] * 7)
    images = np.arange(17, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    balanced = oversample(face_set(images, labels), seed=3)
    assert list(balanced.counts().values())[:3] == [7, 7, 7]
    repeats = np.bincount(balanced.rows[balanced.labels == 1], minlength=10)[7:]
    assert sorted(repeats) == [2, 2, 3]
    np.testing.assert_array_equal(balanced.images[:, 0, 0], balanced.rows)
