"""The figures of a set, against numbers counted by hand."""

import json

import numpy as np
import pytest

from drawn_faces import drawn_set, write_fer_csv
from mien.data import FaceSet, read, summarise


def test_figures_counted_by_hand(tmp_path):
    """Rows 0 1 2 3 | 4 5: 1 repeats 0; 4 is 0 in another split, 5 repeats it; 2 and 3 are blank."""
    images, _ = drawn_set(2, seed=0, size=8)
    blank = np.zeros((8, 8), np.uint8)
    stack = np.stack([images[0], images[0], blank, blank + 255, images[0], images[0]])
    usages = ["Training"] * 4 + ["PublicTest"] * 2
    path = write_fer_csv(tmp_path / "f.csv", stack, [0, 0, 1, 2, 0, 6], usages)
    got = summarise(read(path))
    assert got.num_faces == 6
    assert got.splits == {"Training": 4, "PublicTest": 2}
    assert got.counts_by_split["Training"]["angry"] == 2
    assert got.counts["angry"] == 3
    assert (got.num_blank, got.num_repeated_within_splits, got.num_shared_across_splits) == (
        2,
        2,
        1,
    )
    assert got.pixel_mean == pytest.approx((stack / 255).mean())
    assert got.pixel_std == pytest.approx((stack / 255).std())
    assert (got.face_size, got.channels, got.num_skipped) == (8, 1, 0)
    assert got.content_hash == read(path).content_hash()
    json.dumps(got.to_json_dict())


def test_colour_and_no_labels():
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[0] = (255, 0, 0)  # blank, though its channels differ
    images[1, 0, 0, 1] = 51
    faces = FaceSet(images, None, (), np.arange(2), ("a", "b"))
    got = summarise(faces)
    assert (got.channels, got.num_blank, got.counts, got.splits) == (3, 1, {}, {})
    assert got.pixel_mean == pytest.approx((64 + 0.2) / (2 * 64 * 3))
