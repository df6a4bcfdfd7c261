"""Reading FER2013's CSV in every dress it comes in, and what is said of bad rows."""

import gzip
import lzma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_faces import drawn_set, write_fer_csv
from mien.data import read
from mien.errors import BadInputError, MissingError
from mien.labels import EXPRESSIONS

HEADER = "emotion,pixels,Usage\n"


@pytest.fixture(scope="module")
def faces():
    return drawn_set(9, seed=1)


def pixels(count):
    return " ".join(["7"] * count)


SEVENS = " ".join(["7"] * 2304)


def row(label="3", pixels=SEVENS, usage="Training"):
    return f"{label},{pixels},{usage}\n"


def write(tmp_path, text, name="faces.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "dress",
    [
        {},
        {"columns": ("emotion", " Usage", " pixels")},  # icml_face_data.csv
        {"columns": ("pixels", "Usage", "emotion")},
        {"quote": True},
        {"line_end": "\r\n"},
        {"line_end": "\r\n", "quote": True, "columns": ("Usage", "emotion", "pixels")},
        {"bom": True},
        {"last_line_end": False},
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "csv.xz"])
def test_dresses_of_the_same_faces(tmp_path, faces, dress, suffix):
    images, labels = faces
    usages = ["Training"] * 5 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
    path = write_fer_csv(tmp_path / f"f.{suffix}", images, labels, usages, **dress)
    got = read(path)
    np.testing.assert_array_equal(got.images, images)
    np.testing.assert_array_equal(got.labels, labels)
    assert got.splits.tolist() == usages
    assert got.split_names == ("Training", "PublicTest", "PrivateTest")
    assert got.label_names == EXPRESSIONS
    assert got.rows.tolist() == list(range(9))
    assert got.sources == (str(path),)


def test_kaggle_train_and_test_files(tmp_path, faces):
    images, labels = faces
    train = read(write_fer_csv(tmp_path / "train.csv", images, labels, None))
    assert train.splits is None
    assert train.split_names == ()
    np.testing.assert_array_equal(train.labels, labels)
    test = read(write_fer_csv(tmp_path / "test.csv", images, None, None))
    assert test.labels is None
    assert test.label_names == ()
    assert test.counts() == {}
    np.testing.assert_array_equal(test.images, images)


def test_stray_spaces_quotes_blank_lines_and_other_columns(tmp_path):
    text = ',emotion, "Usage" ,pixels\n\n0, 3 , publictest ,  9 8 7' + " 6" * 61 + ' \n\n1,"4",'
    text += '"PrivateTest","' + " ".join(["255"] * 64) + '"\n   \n'
    got = read(write(tmp_path, text))
    assert got.labels.tolist() == [3, 4]
    assert got.splits.tolist() == ["PublicTest", "PrivateTest"]
    assert got.images[0].ravel()[:5].tolist() == [9, 8, 7, 6, 6]
    assert got.images.shape == (2, 8, 8)
    assert got.rows.tolist() == [0, 1]


def test_odd_but_clear_numbers_are_read(tmp_path):
    text = HEADER + row(pixels="007 0 0255  1\t2 " + pixels(2299)) + row()
    got = read(write(tmp_path, text))
    assert got.images[0].ravel()[:6].tolist() == [7, 0, 255, 1, 2, 7]


def test_every_value_and_neighbour(tmp_path):
    """Values of every width after every other, against the numbers they were written from."""
    values = np.random.default_rng(0).permutation(np.repeat(np.arange(256), 81)).astype(np.uint8)
    images = values.reshape(9, 48, 48)
    got = read(write_fer_csv(tmp_path / "f.csv", images, np.zeros(9, int), "Training"))
    np.testing.assert_array_equal(got.images, images)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_round_trip(tmp_path_factory, data):
    side = data.draw(st.integers(8, 12))
    n = data.draw(st.integers(1, 5))
    seed = data.draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, side, side)).astype(np.uint8)
    labels = data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    usages = data.draw(
        st.lists(st.sampled_from(["Training", "PublicTest", "PrivateTest"]), min_size=n, max_size=n)
    )
    path = write_fer_csv(
        tmp_path_factory.mktemp("round") / data.draw(st.sampled_from(["a.csv", "a.csv.gz"])),
        images,
        labels,
        usages,
        columns=data.draw(st.permutations(["emotion", "pixels", "Usage"])),
        quote=data.draw(st.booleans()),
        line_end=data.draw(st.sampled_from(["\n", "\r\n", "\n\n"])),
        last_line_end=data.draw(st.booleans()),
        bom=data.draw(st.booleans()),
    )
    got = read(path)
    np.testing.assert_array_equal(got.images, images)
    assert got.labels.tolist() == labels
    assert got.splits.tolist() == usages


@pytest.mark.parametrize("word", ["256", "299", "300", "999", "1000", "-1", "7.5", "x", "é", "0x1"])
@pytest.mark.parametrize("place", [0, 1000, 2303])
def test_a_value_that_is_no_pixel(tmp_path, word, place):
    words = ["12"] * 2304
    words[place] = word
    path = write(tmp_path, HEADER + row() + row(pixels=" ".join(words)) + row())
    with pytest.raises(BadInputError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:3: pixel {place + 1} is ")
    assert "0 to 255" in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (row(pixels=pixels(2303)), "2303 pixels, expected 2304 (48 x 48)"),
        (row(pixels=pixels(2305)), "2305 pixels, expected 2304 (48 x 48)"),
        (row(pixels=""), "0 pixels, expected 2304"),
        (row(label="9"), "unknown label '9', expected one of 0 angry"),
        (row(label=""), "unknown label ''"),
        (row(label="happy"), "unknown label 'happy'"),
        (row(usage="Testing"), "unknown usage 'Testing', expected one of Training, PublicTest"),
        ("3," + pixels(2304) + "\n", "2 fields, expected 3"),
        (row(pixels=pixels(1152) + "," + pixels(1152)), "4 fields, expected 3"),
        (row(pixels=pixels(1152) + "\n" + pixels(1152)), "2 fields, expected 3"),
        ("\x00\x01\x02\x03\n", "1 fields, expected 3"),
    ],
)
def test_a_bad_row_is_named(tmp_path, line, expected):
    path = write(tmp_path, HEADER + row() + row() + "\n" + line + row())
    with pytest.raises(BadInputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:5: {expected}")


def test_one_number_less_and_a_double_space_do_not_make_a_good_row(tmp_path):
    short = "7  7 " + pixels(2301)
    with pytest.raises(BadInputError, match=r":3: 2303 pixels, expected 2304"):
        read(write(tmp_path, HEADER + row() + row(pixels=short)))


def test_a_number_moved_to_the_next_row_is_noticed(tmp_path):
    text = HEADER + row(pixels=pixels(2303)) + row(pixels=pixels(2305)) + row() * 3
    with pytest.raises(BadInputError, match=r":2: 2303 pixels, expected 2304"):
        read(write(tmp_path, text))


def test_a_lone_short_row_is_measured_against_the_nearest_square(tmp_path):
    with pytest.raises(BadInputError, match=r":2: 2303 pixels, expected 2304 \(48 x 48\)"):
        read(write(tmp_path, HEADER + row(pixels=pixels(2303))))


def test_all_rows_have_the_size_that_most_of_the_first_have(tmp_path):
    text = HEADER + row(pixels=pixels(49 * 49)) + row() * 2
    with pytest.raises(BadInputError, match=r":2: 2401 pixels, expected 2304"):
        read(write(tmp_path, text))


def test_faces_under_8_pixels_are_refused(tmp_path):
    with pytest.raises(BadInputError, match=r":2: 1 pixels, expected 64 \(8 x 8\)"):
        read(write(tmp_path, HEADER + row(pixels="7")))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r": the file is empty"),
        (HEADER.encode(), r": no rows of pixels"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff" * 99, r":1: binary data where a header"),
        ((row() + row()).encode(), r":1: no column emotion or pixels in the header '3,7 7"),
        (b"emotion,Usage\n3,Training\n", r":1: no column pixels in the header 'emotion,Usage'"),
        (b"pixels,Usage\n7 7,Training\n", r":1: no column emotion"),
        (b"emotions,pixels\n3,7 7\n", r":1: no column emotion"),
        (b"emotion,pixels,pixels\n3,7,7\n", r":1: a column twice"),
        (HEADER.encode() + b" \r\n" * 400_000, r":\d+: 104857\d bytes of empty lines"),
        (HEADER.encode() + b"\x07" * 1_100_000, r":2: a line of more than 1048576 bytes"),
    ],
)
def test_files_that_are_no_face_csv(tmp_path, content, expected):
    path = write(tmp_path, content)
    with pytest.raises(BadInputError, match=expected) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_truncated_and_false_archives(tmp_path, faces, compress):
    images, labels = drawn_set(200, seed=2)
    whole = write_fer_csv(tmp_path / "whole.csv", images, labels, "Training").read_bytes()
    suffix = {gzip.compress: "gz", lzma.compress: "xz"}[compress]
    packed = compress(whole)
    half = write(tmp_path, packed[: len(packed) // 2], f"half.csv.{suffix}")
    with pytest.raises(BadInputError, match=r"half.csv.*:\d+: the archive is damaged or cut off"):
        read(half)
    some = read(half, skip_bad=True)
    assert 0 < len(some) < 200
    np.testing.assert_array_equal(some.images, images[: len(some)])
    line = len(some) + 2
    assert len(some.problems) == 1
    assert some.problems[0].startswith(f"{half}:{line}: the archive is damaged or cut off")
    with pytest.raises(BadInputError, match=r"false.csv.*:1: a damaged archive, or none"):
        read(write(tmp_path, whole, f"false.csv.{suffix}"))


def test_a_flipped_byte_in_an_archive_is_noticed(tmp_path, faces):
    path = write_fer_csv(tmp_path / "f.csv.gz", *faces, "Training")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the checksum
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="the archive is damaged"):
        read(path)


def test_skip_bad_keeps_the_others_and_reports(tmp_path):
    bad = row(label="9") + row(pixels=pixels(2303)) + row(pixels=pixels(2303) + " 256")
    path = write(tmp_path, HEADER + row("1") + bad + row("2") + "\x00\n" + row("4"))
    got = read(path, skip_bad=True)
    assert got.labels.tolist() == [1, 2, 4]
    assert got.rows.tolist() == [0, 4, 6]
    assert [problem.split(": ")[0] for problem in got.problems] == [
        f"{path}:{line}" for line in (3, 4, 5, 7)
    ]
    with pytest.raises(BadInputError, match=r"all of them are bad, the first: .*:2: unknown label"):
        read(write(tmp_path, HEADER + row(label="9"), "bad.csv"), skip_bad=True)


def test_rows_and_lines_of_a_long_file_are_numbered(tmp_path):
    images, labels = drawn_set(600, seed=3)
    path = write_fer_csv(tmp_path / "many.csv", images, labels, "Training")
    lines = path.read_text().splitlines(keepends=True)
    for line in (201, 590):
        lines[line] = row(label="9")
    path.write_text("".join(lines))
    with pytest.raises(BadInputError, match=r"many.csv:202: unknown label '9'"):
        read(path)
    got = read(path, skip_bad=True)
    good = np.delete(np.arange(600), [200, 589])
    np.testing.assert_array_equal(got.rows, good)
    np.testing.assert_array_equal(got.images, images[good])
    np.testing.assert_array_equal(got.labels, labels[good])
    assert [p.split(": ")[0] for p in got.problems] == [f"{path}:202", f"{path}:591"]


def test_another_face_size(tmp_path, faces):
    path = write_fer_csv(tmp_path / "f.csv", *faces, "Training")
    assert read(path, face_size=32).images.shape == (9, 32, 32)
    assert read(path).images.shape == (9, 48, 48)
    with pytest.raises(ValueError, match="face_size must be 8 or more, got 4"):
        read(path, face_size=4)
    with pytest.raises(ValueError, match="channels must be 1 or 3, got 4"):
        read(path, channels=4)


def test_paths_that_are_no_set(tmp_path):
    with pytest.raises(MissingError, match="no such file or folder"):
        read(tmp_path / "nothing.csv")
    with pytest.raises(BadInputError, match=r"expected \.csv, \.csv\.gz, \.csv\.xz"):
        read(write(tmp_path, "x", "clip.mp4"))
