"""The cache: when it answers, when it must not, and what damages it."""

import os
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawn_faces import drawn_set, write_fer_csv
from mien.data import fer_csv, folders, read
from mien.data.cache import folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def faces(tmp_path):
    return write_fer_csv(tmp_path / "faces.csv", *drawn_set(8, seed=7), "Training")


@pytest.fixture
def settled(monkeypatch):
    """Files count as old enough to be remembered at once."""
    monkeypatch.setattr("mien.data.cache._SETTLED_SECONDS", float("-inf"))


@pytest.fixture
def parses(monkeypatch):
    """Counts how often files are really read."""
    calls = []
    for layout in (fer_csv, folders):
        original = layout.read_faces

        def counted(*arguments, original=original):
            calls.append(arguments)
            return original(*arguments)

        monkeypatch.setattr(layout, "read_faces", counted)
    return calls


def same(one, two):
    assert one.content_hash() == two.content_hash()
    assert one.sources == two.sources
    np.testing.assert_array_equal(one.rows, two.rows)
    assert one.images.flags.writeable == two.images.flags.writeable


def kept(cache):
    return sorted((cache / "faces").iterdir())


def test_a_second_read_comes_from_the_cache_unread(faces, settled, parses, monkeypatch):
    first = read(faces)

    def forbidden(self, *arguments, **keywords):
        assert self != faces, "the source was opened again"
        return original(self, *arguments, **keywords)

    original = Path.open
    monkeypatch.setattr(Path, "open", forbidden)
    second = read(faces)
    same(first, second)
    assert len(parses) == 1


def test_unlabelled_sets_and_sets_without_splits(tmp_path, parses):
    images, labels = drawn_set(5, seed=8)
    for name, values in (("test.csv", None), ("train.csv", labels)):
        path = write_fer_csv(tmp_path / name, images, values, None)
        first, second = read(path), read(path)
        same(first, second)
        assert second.splits is None
    assert second.labels.tolist() == labels.tolist()
    assert len(parses) == 2


def test_the_key_is_the_contents(tmp_path, faces, parses):
    first = read(faces)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(faces.read_bytes())
    moved = read(copy)
    assert moved.content_hash() == first.content_hash()
    assert moved.sources == (str(copy),)
    assert len(parses) == 1


def test_a_rewritten_file_of_the_same_size_and_time_is_read_again(cache, faces, parses):
    time.sleep(2.05)  # until the file is old enough to be remembered
    before = faces.stat()
    first = read(faces)
    assert len(list((cache / "stamps").iterdir())) == 1
    content = faces.read_bytes()
    start = content.index(b"\n") + 1
    changed = b"0" if content[start : start + 1] != b"0" else b"1"
    faces.write_bytes(content[:start] + changed + content[start + 1 :])
    os.utime(faces, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = read(faces)
    assert len(parses) == 2
    assert first.labels[0] != second.labels[0] == int(changed)
    np.testing.assert_array_equal(first.images, second.images)


def test_a_file_written_twice_at_once_is_read_twice(tmp_path, parses):
    path = tmp_path / "faces.csv"
    for seed in range(3):
        images, labels = drawn_set(4, seed=seed)
        write_fer_csv(path, images, labels, "Training")
        np.testing.assert_array_equal(read(path).images, images)
    assert len(parses) == 3


def test_other_options_are_other_entries(faces, parses):
    assert read(faces).face_size == 48
    assert read(faces, face_size=32).face_size == 32
    assert read(faces).face_size == 48
    assert len(parses) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:40],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[:9000] + bytes([content[9000] ^ 1]) + content[9001:],
        lambda content: bytes(len(content)),
    ],
)
def test_damage_is_noticed_and_mended(cache, faces, parses, damage):
    first = read(faces)
    (entry,) = kept(cache)
    entry.write_bytes(damage(entry.read_bytes()))
    with pytest.warns(UserWarning, match="damaged cache, reading afresh"):
        second = read(faces)
    same(first, second)
    assert len(parses) == 2
    same(first, read(faces))
    assert len(parses) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"images": None},
        {"rows": np.arange(3)},
        {"labels": np.full(8, 99)},
        {"label_names": np.array(3)},
        {"sources": np.array([{}], object)},
        {"splits": np.zeros(8)},
    ],
)
def test_a_whole_archive_of_something_else_is_no_more_than_damage(cache, faces, parses, changed):
    first = read(faces)
    (entry,) = kept(cache)
    with np.load(entry) as archive:
        arrays = {**archive, **changed}
    with entry.open("wb") as stream:
        np.savez(stream, **{name: each for name, each in arrays.items() if each is not None})
    with pytest.warns(UserWarning, match="damaged cache, reading afresh"):
        same(first, read(faces))


def test_half_files_of_writers_that_were_killed_are_removed_after_a_day(cache, faces, parses):
    read(faces)
    (entry,) = kept(cache)
    old, new = entry.with_name(".mien-0.part"), entry.with_name(".mien-1.part")
    for half in (old, new):
        half.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    entry.unlink()
    read(faces)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_damaged_stamp_is_not_believed(cache, faces, settled, parses):
    first = read(faces)
    for stamp in (cache / "stamps").iterdir():
        stamp.write_bytes(b"\xff\x00")
    same(first, read(faces))
    assert len(parses) == 1


def test_a_cache_that_cannot_be_written_only_warns(tmp_path, faces, monkeypatch):
    first = read(faces)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot write to the cache, going on without"):
        same(first, read(faces))


@pytest.mark.parametrize("setting", ["", "off", "OFF"])
def test_turned_off(tmp_path, faces, parses, monkeypatch, setting):
    monkeypatch.setenv("MIEN_CACHE", setting)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    same(read(faces), read(faces))
    assert len(parses) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_the_platforms_folder_is_the_default(monkeypatch):
    monkeypatch.delenv("MIEN_CACHE")
    assert folder().name == "mien"


def test_bad_reads_are_not_kept(cache, faces, parses):
    faces.write_text(faces.read_text() + "9,7 7,Training\n")
    for _ in range(2):
        assert len(read(faces, skip_bad=True).problems) == 1
    assert len(parses) == 2
    assert not (cache / "faces").exists()


def test_a_file_that_changes_while_it_is_read_is_not_kept(cache, faces, monkeypatch):
    original = fer_csv.read_faces

    def changed_meanwhile(path, *others):
        got = original(path, *others)
        path.write_text(path.read_text() + "\n")
        return got

    monkeypatch.setattr(fer_csv, "read_faces", changed_meanwhile)
    assert len(read(faces)) == 8
    assert not (cache / "faces").exists()


def test_folders_are_kept_and_noticed_when_they_change(tmp_path, settled, parses):
    images, labels = drawn_set(6, seed=9, num_classes=2)
    root = tmp_path / "set"
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / "train" / ("happy", "sad")[label] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    first = read(root)
    same(first, read(root))
    assert len(parses) == 1
    moved = root.rename(tmp_path / "moved")
    again = read(moved)
    assert again.content_hash() == first.content_hash()
    assert all(Path(source).is_file() for source in again.sources)
    assert len(parses) == 1
    (moved / "train" / "sad" / "other.png").write_bytes(Path(again.sources[0]).read_bytes())
    assert len(read(moved)) == 7
    assert len(parses) == 2


def test_no_warning_when_all_is_well(faces):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(read(faces), read(faces))
