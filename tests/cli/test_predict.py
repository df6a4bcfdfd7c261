import csv
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.classifier import Classifier
from mien.cli import app
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Two pictures of the same name, one without a face, one broken."""
    album = tmp_path / "album"
    for name, pixels in {
        "a.png": astronaut(),
        "more/a.png": astronaut()[:, ::-1],
        "sky.jpg": np.full((60, 80, 3), 200, np.uint8),
    }.items():
        (album / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(album / name)
    (album / "broken.jpg").write_bytes((album / "sky.jpg").read_bytes()[:100])
    return album


class Outcome:
    def __init__(self, model: Path, *arguments: str | Path, stdin: bytes | None = None) -> None:
        line = ["predict", *map(str, arguments), "--model", str(model)]
        result = CliRunner().invoke(app, line, input=stdin)
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr


def test_a_line_per_face(model: Path, album: Path) -> None:
    result = Outcome(model, album / "a.png")
    assert result.code == 0
    assert result.out.startswith(f"{album}/a.png: ")
    box = list(map(int, re.findall(r"\d+", result.out.partition(" at ")[2])))
    assert box == pytest.approx([178, 57, 273, 177], abs=2)  # int8 or float32, by processor
    assert result.err == ""


def test_json_lines_of_a_folder_with_a_broken_picture(model: Path, album: Path) -> None:
    result = Outcome(model, album, "--json")
    assert result.code == 5
    rows = {Path(row["source"]): row for row in map(json.loads, result.out.splitlines())}
    assert [len(row["faces"]) for row in rows.values()] == [1, 0, 0, 1]
    face = rows[album / "a.png"]["faces"][0]
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert len(face["probabilities"]) == 7
    assert len(face["landmarks"]) == 5
    assert "cut short" in rows[album / "broken.jpg"]["error"]
    assert rows[album / "sky.jpg"] == {
        "source": str(album / "sky.jpg"),
        "width": 80,
        "height": 60,
        "faces": [],
        "error": None,
        "schema_version": 1,
        "mien_version": version("mien"),
        "model": Classifier(model).digest[:16],
    }
    assert result.err.count("\n") == 1
    assert "broken.jpg" in result.err


def test_a_single_broken_picture_exits_3(model: Path, album: Path) -> None:
    result = Outcome(model, album / "broken.jpg")
    assert result.code == 3
    assert result.err.startswith(f"mien: {album}/broken.jpg: ")
    assert "Traceback" not in result.err
    assert Outcome(model, album / "broken.jpg", "--json").out.count('"error": "') == 1


def test_csv(model: Path, album: Path, tmp_path: Path) -> None:
    result = Outcome(model, album, "--csv", tmp_path / "faces.csv")
    assert result.code == 5
    with (tmp_path / "faces.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [
        (Path(row["source"]).name, row["expression"] != "", bool(row["error"])) for row in rows
    ] == [
        ("a.png", True, False),
        ("broken.jpg", False, True),
        ("sky.jpg", False, False),
        ("a.png", True, False),
    ]
    assert rows[0]["uncertain"] in ("true", "false")
    assert float(rows[0][f"p_{rows[0]['expression']}"]) == float(rows[0]["confidence"])


def test_annotated_pictures_never_share_a_name(model: Path, album: Path, tmp_path: Path) -> None:
    output = tmp_path / "drawn" / "here"
    both = (album / "a.png", album / "more" / "a.png")
    assert Outcome(model, *both, "--output", output).code == 0
    assert sorted(p.name for p in output.iterdir()) == ["a-2.png", "a.png"]
    first, second = (np.asarray(Image.open(output / n)) for n in ("a.png", "a-2.png"))
    assert first.shape == (512, 512, 3)
    assert not np.array_equal(first, astronaut())
    assert np.array_equal(first[400:], astronaut()[400:])
    assert np.array_equal(second[400:], astronaut()[400:, ::-1])


def test_annotated_pictures_of_a_folder_keep_their_places(
    model: Path, album: Path, tmp_path: Path
) -> None:
    assert Outcome(model, album, "--output", tmp_path / "drawn").code == 5
    drawn = sorted(p.relative_to(tmp_path / "drawn") for p in (tmp_path / "drawn").rglob("*.*"))
    assert drawn == [Path("a.png"), Path("more/a.png"), Path("sky.jpg")]


def test_a_picture_too_large_for_its_kind_becomes_png(model: Path, tmp_path: Path) -> None:
    """What it is, is seen from its contents: a PNG that is called WebP, which ends at 16,383."""
    Image.new("L", (17_000, 20)).save(tmp_path / "wide.png")
    (tmp_path / "wide.png").rename(tmp_path / "wide.webp")
    outcome = Outcome(model, tmp_path / "wide.webp", "--output", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    with Image.open(tmp_path / "out" / "wide.png") as copy:
        assert copy.size[0] == 17_000


def test_sources_are_never_written_over(model: Path, album: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in album.rglob("*.*")}
    for arguments in (
        (album, "--output", album),
        (album / "a.png", "--output", album),
        (album / "a.png", "--csv", album / "a.png"),
        (album, "--csv", album / "more" / "a.png"),
    ):
        result = Outcome(model, *arguments)
        assert result.code == 2, arguments
        assert "written over" in result.err
    assert {p: p.read_bytes() for p in album.rglob("*.*")} == before


def test_stdin(model: Path, album: Path) -> None:
    content = (album / "a.png").read_bytes()
    result = Outcome(model, "-", "--json", stdin=content)
    assert json.loads(result.out)["source"] == "-"
    assert len(json.loads(result.out)["faces"]) == 1
    empty = Outcome(model, "-", stdin=b"")
    assert (empty.code, empty.err) == (3, "mien: -: the file is empty\n")


def test_a_csv_of_faces_without_labels(model: Path, tmp_path: Path) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3, 48 * 48))
    path = tmp_path / "test.csv"
    path.write_text("pixels\n" + "".join(" ".join(map(str, face)) + "\n" for face in faces))
    result = Outcome(model, path, "--json", "--detector", "haar")
    assert result.code == 0
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["source"] for row in rows] == [f"{path}:{index}" for index in range(3)]
    assert all(row["faces"][0]["box"] == [0, 0, 48, 48] for row in rows)
    drawn = Outcome(model, path, "--output", tmp_path / "drawn")
    assert drawn.code == 2
    assert "face images are not drawn on" in drawn.err


@pytest.mark.parametrize(("num_faces", "shown"), [(3, 3), (40, 36)])
def test_a_grid_of_face_images(model: Path, tmp_path: Path, num_faces: int, shown: int) -> None:
    path = write_fer_csv(tmp_path / "test.csv", drawn_set(num_faces)[0], None, None)
    result = Outcome(model, path, "--json", "--output", tmp_path / "new" / "grid.svg")
    assert result.code == 0, result.err
    text = (tmp_path / "new" / "grid.svg").read_text()
    assert f"<!-- test.csv: {shown} of {num_faces} faces, as read -->" in text
    assert text.count("<image ") == shown
    faces = [json.loads(line)["faces"][0] for line in result.out.splitlines()]
    assert len(faces) == num_faces
    first = faces[0]
    doubt = "?" if first["uncertain"] else ""
    assert f"<!-- {first['expression']}{doubt} {first['confidence']:.0%} -->" in text
    assert Outcome(model, path, "--output", tmp_path / "grid.png").code == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_one_picture_goes_to_the_file_that_is_named(
    model: Path, album: Path, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / "new" / f"drawn{suffix}"
    result = Outcome(model, album / "a.png", "--output", output)
    assert (result.code, result.err) == (0, "")
    with Image.open(output) as picture:
        assert picture.size == (512, 512)
        assert picture.format == {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[suffix]


def test_what_one_file_cannot_hold_is_refused(model: Path, album: Path, tmp_path: Path) -> None:
    several = Outcome(model, album / "a.png", album / "sky.jpg", "--output", tmp_path / "a.jpg")
    assert several.code == 2
    assert "is one picture, but there are 2 sources; expected a folder" in several.err
    vector = Outcome(model, album / "a.png", "--output", tmp_path / "a.svg")
    assert vector.code == 2
    assert "ends in .jpg, .jpeg, .png, .webp" in vector.err
    itself = Outcome(model, album / "a.png", "--output", album / "a.png")
    assert itself.code == 2
    assert "choose another file" in itself.err
    write_fer_csv(tmp_path / "test.csv", drawn_set(3)[0], None, None)
    faces = Outcome(model, tmp_path / "test.csv", "--output", tmp_path / "a.jpg")
    assert faces.code == 2
    assert "name a picture (.png, .svg) for a grid" in faces.err
    (tmp_path / "folder.jpg").mkdir()
    assert Outcome(model, album / "a.png", "--output", tmp_path / "folder.jpg").code == 0
    assert (tmp_path / "folder.jpg" / "a.png").is_file()
    assert not (tmp_path / "a.jpg").exists()


def test_less_is_drawn_where_less_is_asked_for(model: Path, album: Path, tmp_path: Path) -> None:
    changed = {}
    for detail in ("boxes", "labels", "bars"):
        output = tmp_path / f"{detail}.png"
        words = ("--output", output, "--draw", detail)
        assert Outcome(model, album / "a.png", *words).code == 0
        with Image.open(output) as picture:
            changed[detail] = int((np.asarray(picture) != astronaut()).any(axis=2).sum())
    assert 0 < changed["boxes"] < changed["labels"] < changed["bars"]


@pytest.mark.parametrize("how", ["blur", "pixelate", "solid"])
def test_faces_are_hidden_in_pictures_and_grids(
    model: Path, album: Path, tmp_path: Path, how: str
) -> None:
    from mien.inference.see.detectors import create_detector

    output = tmp_path / "hidden.png"
    words = ("--output", output, "--draw", "boxes", "--hide", how)
    result = Outcome(model, album / "a.png", "--json", *words)
    assert len(json.loads(result.out)["faces"]) == 1, "rows stay"
    with Image.open(output) as picture:
        pixels = np.asarray(picture)
    assert create_detector("retinaface").detect(pixels) == []
    assert np.array_equal(pixels[220:], astronaut()[220:])
    faces = np.stack([drawn_set(3)[0][0], 255 - drawn_set(3)[0][0]])
    write_fer_csv(tmp_path / "test.csv", faces, None, None)
    grids = []
    for name, more in (("shown.svg", ()), ("hidden.svg", ("--hide", how))):
        grid = Outcome(model, tmp_path / "test.csv", "--output", tmp_path / name, *more)
        assert grid.code == 0, grid.err
        grids.append((tmp_path / name).read_text())
    assert grids[0].count("<image ") == grids[1].count("<image ") == 2
    assert grids[0] != grids[1]


def test_options_of_drawing_without_a_drawing_are_told(
    model: Path, album: Path, tmp_path: Path
) -> None:
    for words in (("--hide", "blur"), ("--draw", "boxes")):
        result = Outcome(model, album / "a.png", *words)
        assert result.code == 2
        assert "expected --output" in result.err
        tables = ("--tables", "csv", "--output", tmp_path / "out")
        assert "leave --draw and --hide out" in Outcome(model, album, *words, *tables).err
    path = write_fer_csv(tmp_path / "test.csv", drawn_set(3)[0], None, None)
    grid = Outcome(model, path, "--draw", "boxes", "--output", tmp_path / "grid.png")
    assert (grid.code, grid.err) == (0, "mien: --draw has no effect on a grid of face images\n")


def test_a_grid_takes_face_images_only(model: Path, album: Path, tmp_path: Path) -> None:
    path = write_fer_csv(tmp_path / "test.csv", drawn_set(3)[0], None, None)
    result = Outcome(model, path, album / "a.png", "--output", tmp_path / "grid.png")
    assert result.code == 2
    assert "annotated pictures go to a folder" in result.err
    (tmp_path / "bad.csv").write_text("pixels\n1 2 3\n")
    result = Outcome(model, tmp_path / "bad.csv", "--output", tmp_path / "grid.png")
    assert result.code == 3
    assert "bad.csv" in result.err
    assert not (tmp_path / "grid.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["https://example.org/a.jpg"], 2, "URLs are not fetched"),
        (["nowhere.jpg"], 4, "no such file or folder"),
        (["nowhere/*.jpg"], 4, "no file matches"),
        (["{album}/a.png", "--detector", "dlib"], 2, "no detector 'dlib'"),
        (["{album}/a.png", "--csv", "{album}/no/such/folder.csv"], 3, "cannot be written"),
        (["{album}/a.png", "--output", "{album}/sky.jpg/drawn"], 3, "cannot be written"),
    ],
)
def test_wrong_arguments_end_in_one_line(
    model: Path, album: Path, arguments: list[str], code: int, words: str
) -> None:
    result = Outcome(model, *(argument.format(album=album) for argument in arguments))
    assert result.code == code
    assert words in result.err
    assert result.err.count("\n") == 1


def test_a_folder_without_pictures(model: Path, tmp_path: Path) -> None:
    result = Outcome(model, tmp_path)
    assert result.code == 3
    assert "no picture or video in this folder" in result.err


def test_a_closed_pipe_ends_quietly(model: Path, album: Path) -> None:
    line = [sys.executable, "-c", "from mien.cli import main; main()", "predict", str(album)]
    line += ["--model", str(model), "--json"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(line, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr


def test_min_confidence_decides_what_is_uncertain(model: Path, album: Path, tmp_path: Path) -> None:
    table = tmp_path / "faces.csv"
    for least, uncertain in (("0", False), ("1", True)):
        options = ["--json", "--csv", table, "--min-confidence", least]
        out = Outcome(model, album / "a.png", *options).out
        (face,) = json.loads(out)["faces"]
        assert face["uncertain"] is uncertain
        with table.open(newline="") as stream:
            (row,) = csv.DictReader(stream)
        assert row["uncertain"] == str(uncertain).lower()
