"""Rows to leave out, from a file to a set without them."""

import shutil

import numpy as np
import pytest
from PIL import Image

from drawn_faces import drawn_set, write_fer_csv
from mien.data import LeftOut, leave_out, read, write_left_out
from mien.errors import BadInputError, MissingError

USAGES = ["Training"] * 8 + ["PublicTest"] * 4


@pytest.fixture
def data(tmp_path):
    return write_fer_csv(tmp_path / "faces.csv", *drawn_set(12, seed=0), USAGES)


def test_what_is_written_is_left_out(data, tmp_path):
    faces, path = read(data), tmp_path / "out.csv"
    write_left_out(path, faces, [LeftOut(3, "twin", 9), LeftOut(10, "blank"), LeftOut(3, "more")])
    assert path.read_text().splitlines()[1:3] == ["3,Training,twin,9,", "10,PublicTest,blank,,"]
    rest = leave_out(faces, path)
    assert rest.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 11]
    np.testing.assert_array_equal(rest.images[3], faces.images[4])


@pytest.mark.parametrize(
    ("rows", "message"),
    [(range(8, 12), "leaves no face of the split 'PublicTest'"), (range(12), "leaves no face of")],
)
def test_a_file_that_leaves_nothing_is_told(rows, message, data, tmp_path):
    (tmp_path / "out.csv").write_text("row\n" + "\n".join(map(str, rows)))
    with pytest.raises(BadInputError, match=rf"out\.csv: {message}.*faces\.csv"):
        leave_out(read(data), tmp_path / "out.csv")


def test_rows_are_those_of_the_file_where_bad_ones_were_skipped(data, tmp_path):
    lines = data.read_text().splitlines()
    data.write_text("\n".join([*lines[:3], "9,1 2 3,Training", *lines[3:]]) + "\n")
    faces = read(data, skip_bad=True)
    assert faces.rows.tolist()[:3] == [0, 1, 3]
    (tmp_path / "out.csv").write_text("row\n3\n")
    assert leave_out(faces, tmp_path / "out.csv").rows.tolist()[:3] == [0, 1, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "row,split\n0,Training\n12,PublicTest\n",
            r"out.csv:3: no row '12' in .*faces.csv.*0 to 11",
        ),
        ("row\n-1\n", r"out.csv:2: no row '-1'"),
        ("row,split\n8,Training\n", r"out.csv:2: row 8 has the split 'Training' there and 'Public"),
        ("line,split\n8,Training\n", r"out.csv:1: the header is 'line,split', expected one column"),
        ("", r"out.csv:1: the header is ''"),
        ("row,row\n1,2\n", r"out.csv:1: the header is 'row,row', expected one column row"),
        ('row,reason\n1,"a\n2,b\n', r"out.csv:3: is no CSV"),
        (f"row\n{'9' * 5000}\n", r"out.csv:2: no row '99"),
        ("row,split\n8\n", r"out.csv:2: 1 fields, expected 2 \(row,split\)"),
    ],
)
def test_a_file_that_does_not_fit_names_its_line(data, tmp_path, text, message):
    (tmp_path / "out.csv").write_text(text)
    with pytest.raises(BadInputError, match=message):
        leave_out(read(data), tmp_path / "out.csv")


def test_a_file_that_is_not_there(data, tmp_path):
    with pytest.raises(MissingError, match=r"none.csv: no such file"):
        leave_out(read(data), tmp_path / "none.csv")


def test_a_folder_that_has_changed_since_is_refused(tmp_path):
    images, _ = drawn_set(4, seed=0)
    for place, name in enumerate(("happy/b.png", "happy/c, d.png", "sad/e.png", "sad/f.png")):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[place]).save(tmp_path / "set" / name)
    write_left_out(tmp_path / "out.csv", read(tmp_path / "set"), [LeftOut(1, "duplicate", 0)])
    rest = leave_out(read(tmp_path / "set"), tmp_path / "out.csv")
    assert [source.rpartition("/")[2] for source in rest.sources] == ["b.png", "e.png", "f.png"]
    shutil.copy(tmp_path / "set/happy/b.png", tmp_path / "set/happy/a.png")
    with pytest.raises(BadInputError, match=r"row 1 has the file 'c, d.png' there and 'b.png' in"):
        leave_out(read(tmp_path / "set"), tmp_path / "out.csv")
