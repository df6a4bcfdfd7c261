"""FER+ votes: hand-worked shares, and votes that belong to other rows."""

import numpy as np
import pytest

from drawn_faces import drawn_set, write_fer_csv
from mien.data import read
from mien.errors import BadInputError, MissingError, UsageError

HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
)
USAGES = ["Training", "Training", "PublicTest"]
VOTES = [
    "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0",
    "Training,,0,0,0,0,0,0,0,0,0,10",
    "PublicTest,fer0000002.png,1,2,3,0,0,0,1,2,1,0",
]


@pytest.fixture
def faces(tmp_path):
    images, _ = drawn_set(3, seed=6)
    return write_fer_csv(tmp_path / "faces.csv", images, [0, 3, 6], USAGES)


def votes(tmp_path, lines, header=HEADER, end="\n"):
    path = tmp_path / "votes.csv"
    path.write_bytes((header + end.join(lines)).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_shares_worked_by_hand(tmp_path, faces, end):
    """Of ten votes: 4 neutral, 1 sad, 3 angry, 2 disgust; none; 7 of 10 for our seven."""
    got = read(faces, votes=votes(tmp_path, VOTES, end=end))
    expected = [
        # angry, disgust, fear, happy, sad, surprise, neutral
        [0.3, 0.2, 0, 0, 0.1, 0, 0.4],
        [0, 0, 0, 1, 0, 0, 0],  # no votes left: its own label
        [0, 0, 1 / 7, 2 / 7, 0, 3 / 7, 1 / 7],
    ]
    np.testing.assert_allclose(got.soft_labels, expected, atol=1e-7)
    assert got.soft_labels.dtype == np.float32
    assert got.labels.tolist() == [0, 3, 6]
    part = got.take_split("PublicTest")
    np.testing.assert_allclose(part.soft_labels, expected[2:], atol=1e-7)


def test_votes_are_joined_by_row_when_bad_rows_are_skipped(tmp_path, faces):
    lines = faces.read_text().splitlines(keepends=True)
    lines[1] = "9" + lines[1][1:]
    faces.write_text("".join(lines))
    got = read(faces, votes=votes(tmp_path, VOTES), skip_bad=True)
    assert got.rows.tolist() == [1, 2]
    assert got.soft_labels.argmax(axis=1).tolist() == [3, 5]


def test_kaggle_train_needs_no_usage(tmp_path):
    images, labels = drawn_set(3, seed=6)
    path = write_fer_csv(tmp_path / "train.csv", images, labels, None)
    assert read(path, votes=votes(tmp_path, VOTES)).soft_labels.shape == (3, 7)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (VOTES[:2], r"votes.csv: 2 rows of votes, expected 3 as in .*faces.csv"),
        ([VOTES[2], VOTES[1], VOTES[0]], r"votes.csv:2: usage 'PublicTest', expected 'Training'"),
        ([VOTES[0], "Training,x,1,2", VOTES[2]], r"votes.csv:3: 'Training,x,1,2', expected 12"),
        ([VOTES[0], VOTES[1], VOTES[2].replace("3", "-3")], r"votes.csv:4: .*counts of votes"),
        ([VOTES[0], VOTES[1], VOTES[2].replace(",3", ",many")], r"votes.csv:4: "),
        ([VOTES[0], VOTES[1], VOTES[2].replace(",3", "," + "9" * 30)], r"votes.csv:4: .*counts"),
        ([VOTES[0], VOTES[1], VOTES[2].replace(",3", "," + "9" * 4301)], r"votes.csv:4: "),
    ],
)
def test_votes_of_other_rows_are_refused(tmp_path, faces, lines, expected):
    with pytest.raises(BadInputError, match=expected):
        read(faces, votes=votes(tmp_path, lines))


def test_files_that_are_no_votes(tmp_path, faces):
    with pytest.raises(BadInputError, match=r"votes.csv:1: the header is .*expected FER\+'s Usage"):
        read(faces, votes=votes(tmp_path, VOTES, header="Usage,neutral\n"))
    with pytest.raises(BadInputError, match=r"votes.csv:1: the header is ''"):
        read(faces, votes=votes(tmp_path, [], header=""))
    (tmp_path / "votes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="binary data"):
        read(faces, votes=tmp_path / "votes.csv")
    with pytest.raises(MissingError, match=r"nothing\.csv: no such file"):
        read(faces, votes=tmp_path / "nothing.csv")


def test_an_unlabelled_set_takes_no_votes(tmp_path):
    path = write_fer_csv(tmp_path / "test.csv", drawn_set(3)[0], None, None)
    with pytest.raises(UsageError, match="votes need a labelled FER2013 CSV"):
        read(path, votes=votes(tmp_path, VOTES))
