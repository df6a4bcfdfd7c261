"""Folders of pictures: splits, classes in any spelling, sizes and kinds of pictures."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawn_faces import drawn_face, drawn_set
from mien.data import read
from mien.errors import BadInputError, UsageError
from mien.inference import Analyzer
from mien.inference.read.sources import find_sources


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def fill(root, folders, per_folder=2, size=48):
    rng = np.random.default_rng(0)
    for index, folder in enumerate(folders):
        for number in range(per_folder):
            save(root / folder / f"{number}.png", drawn_face(rng, index % 7, size))


def test_expressions_in_other_spellings_come_in_miens_order(tmp_path):
    names = ["Anger", "disgusted", "3_FEAR", "happiness", "Sadness", "surprised", "Neutral"]
    fill(tmp_path, names, 1)
    got = read(tmp_path)
    assert got.label_names == (
        "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral",
    )  # fmt: skip
    assert got.splits is None
    folder_of = {0: "Anger", 1: "disgusted", 2: "3_FEAR", 3: "happiness", 4: "Sadness"}
    for label, source in zip(got.labels.tolist(), got.sources, strict=True):
        assert folder_of.get(label, source.split("/")[-2]) == source.split("/")[-2]


def test_pixels_survive_and_belong_to_their_label(tmp_path):
    images, labels = drawn_set(12, seed=4, num_classes=2)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        save(tmp_path / ("happy", "sad")[label] / f"{index:02}.png", image)
    got = read(tmp_path)
    assert got.label_names == ("happy", "sad")
    order = [int(source[-6:-4]) for source in got.sources]
    np.testing.assert_array_equal(got.images, images[order])
    np.testing.assert_array_equal(got.labels, labels[order])
    assert got.rows.tolist() == list(range(12))


def test_own_classes_keep_their_names_sorted_behind_the_expressions(tmp_path):
    fill(tmp_path, ["yawning", "happy", "Awake"])
    assert read(tmp_path).label_names == ("happy", "Awake", "yawning")
    fill(tmp_path, ["awake"])
    with pytest.raises(BadInputError, match="differ in upper and lower case only"):
        read(tmp_path)


@pytest.mark.parametrize(
    "splits", [("train", "test"), ("Training", "PublicTest", "PrivateTest"), ("train", "val")]
)
def test_first_level_of_splits(tmp_path, splits):
    fill(tmp_path, [f"{split}/{name}/inner" for split in splits for name in ("sad", "happy")])
    got = read(tmp_path)
    assert set(got.split_names) == set(splits)
    assert got.label_names == ("happy", "sad")
    for split in splits:
        part = got.take_split(split)
        assert len(part) == 4
        assert all(f"/{split}/" in source for source in part.sources)


def test_splits_beside_classes_are_refused(tmp_path):
    fill(tmp_path, ["train/happy", "extra/happy"])
    with pytest.raises(BadInputError, match=r"holds splits \(train\) beside other folders \(extra"):
        read(tmp_path)


def test_other_files_are_ignored_and_stray_pictures_are_not(tmp_path):
    fill(tmp_path, ["happy", "sad"])
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "happy" / "notes.txt").write_text("x")
    (tmp_path / "happy" / "._0.png").write_bytes(b"\0")
    fill(tmp_path, [".thumbnails", "__MACOSX/happy"])
    assert len(read(tmp_path)) == 4
    save(tmp_path / "stray.png", np.zeros((48, 48), np.uint8))
    with pytest.raises(BadInputError, match=r"stray.png: not in the folder of a class"):
        read(tmp_path)
    assert len(read(tmp_path, skip_bad=True)) == 4


def test_split_without_classes_is_refused(tmp_path):
    fill(tmp_path, ["train"])
    with pytest.raises(BadInputError, match=r"0.png: not in the folder of a class; expected"):
        read(tmp_path)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "set" / "happy").mkdir(parents=True)
    with pytest.raises(BadInputError, match="no pictures in it; expected pictures in folders"):
        read(tmp_path / "set")


def test_sizes_shapes_and_colours(tmp_path):
    wide = np.zeros((60, 100, 3), np.uint8)
    wide[:, 20:80] = (200, 100, 50)  # the central square alone is coloured
    save(tmp_path / "happy" / "wide.png", wide)
    save(tmp_path / "sad" / "tall.png", np.ascontiguousarray(wide.transpose(1, 0, 2)))
    grey = read(tmp_path)
    assert grey.images.shape == (2, 48, 48)
    assert np.abs(grey.images.astype(int) - 124).max() <= 1  # .299*200 + .587*100 + .114*50
    colour = read(tmp_path, channels=3, face_size=32)
    assert colour.images.shape == (2, 32, 32, 3)
    assert np.abs(colour.images.astype(int) - (200, 100, 50)).max() <= 1


def test_bad_pictures_are_named_or_skipped(tmp_path):
    fill(tmp_path, ["happy", "sad"])
    cut = tmp_path / "happy" / "2.jpg"
    save(cut, np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    cut.write_bytes(cut.read_bytes()[:300])
    save(tmp_path / "sad" / "3.png", np.zeros((1, 1), np.uint8))
    with pytest.raises(BadInputError, match=r"happy/2\.jpg"):
        read(tmp_path)
    got = read(tmp_path, skip_bad=True)
    assert len(got) == 4
    assert got.rows.tolist() == [0, 1, 3, 4]
    assert len(got.problems) == 2
    assert "1 x 1 pixels, expected at least 8 x 8" in got.problems[1]
    for path in tmp_path.glob("*/?.png"):
        path.write_bytes(b"rubbish")
    with pytest.raises(BadInputError, match="no good picture in it"):
        read(tmp_path, skip_bad=True)


def test_links_are_followed_but_not_in_circles(tmp_path):
    fill(tmp_path / "elsewhere", ["h"])
    fill(tmp_path / "set", ["sad"])
    (tmp_path / "set" / "happy").symlink_to(tmp_path / "elsewhere" / "h")
    (tmp_path / "set" / "sad" / "round").symlink_to(tmp_path / "set")
    assert read(tmp_path / "set").counts() == {"happy": 2, "sad": 2}


def test_votes_need_a_csv(tmp_path):
    fill(tmp_path, ["happy", "sad"])
    with pytest.raises(UsageError, match="votes need a labelled FER2013 CSV"):
        read(tmp_path, votes=tmp_path / "fer2013new.csv")


def test_one_unknown_class_leaves_the_others_their_names(tmp_path):
    fill(tmp_path, ["Anger", "contempt", "happiness", "an"])
    assert read(tmp_path).label_names == ("angry", "happy", "an", "contempt")


@pytest.mark.parametrize(
    ("train", "test"),
    [("training_set", "test_set"), ("train_class", "test_class"), ("Train Images", "val-data")],
)
def test_usual_names_of_splits_are_no_classes(tmp_path, train, test):
    fill(tmp_path, [f"{split}/{name}" for split in (train, test) for name in ("sad", "happy")])
    got = read(tmp_path)
    assert got.label_names == ("happy", "sad")
    assert set(got.split_names) == {train, test}
    assert len(got.take_split("train")) == 4


def test_what_an_archive_wraps_around_a_set_is_passed_through(tmp_path):
    names = [f"archive/images/{s}/{n}" for s in ("train", "test") for n in ("sad", "happy")]
    fill(tmp_path, names)
    got = read(tmp_path)
    assert (got.label_names, got.split_names) == (("happy", "sad"), ("test", "train"))
    fill(tmp_path / "other", [f"set/{name}" for name in ("sad", "happy")])
    assert read(tmp_path / "other").label_names == ("happy", "sad")


@pytest.mark.parametrize("classes", [("happy", "sad"), ("open", "closed")])
def test_folders_of_people_are_not_taken_for_classes(tmp_path, classes):
    fill(tmp_path, [f"{person}/{name}" for person in ("anna", "ben") for name in classes])
    with pytest.raises(BadInputError, match=r"anna, ben stand where the classes should"):
        read(tmp_path)


def test_a_folder_that_cannot_be_read_drops_no_class_silently(tmp_path, monkeypatch):
    fill(tmp_path, ["happy", "sad", "angry"])
    scandir = os.scandir

    def refuse(path="."):
        if str(path).endswith("sad"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(BadInputError, match="sad: cannot be read: Permission denied"):
        read(tmp_path)
    got = read(tmp_path, skip_bad=True)
    assert got.label_names == ("angry", "happy")
    assert "sad: cannot be read" in got.problems[0]
    rows = list(Analyzer(detector="none").results(find_sources([tmp_path])))
    assert [row.source.endswith("sad") for row in rows] == [False] * 4 + [True]
    assert rows[-1].error is not None
    assert "Permission denied" in rows[-1].error


def test_pictures_that_are_not_read_are_named(tmp_path):
    fill(tmp_path, ["happy", "sad"])
    (tmp_path / "sad" / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(500))
    with pytest.raises(BadInputError, match=r"phone\.HEIC: HEIC pictures are not read"):
        read(tmp_path)
    assert len(read(tmp_path, skip_bad=True).problems) == 1
    names = [source.name for source in find_sources([tmp_path])]
    assert any(name.endswith("phone.HEIC") for name in names)


def test_predict_follows_the_links_that_sets_follow(tmp_path):
    fill(tmp_path / "real", ["happy"])
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "album")
    names = [Path(source.name).name for source in find_sources([tmp_path / "album"])]
    assert names == ["0.png", "1.png"]
