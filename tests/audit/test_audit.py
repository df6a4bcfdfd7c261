"""A made set with everything that an audit looks for: it finds all of that, and nothing else."""

import csv
import json

import numpy as np
import pytest
import yaml
from skimage.data import astronaut
from typer.testing import CliRunner

from drawn_faces import drawn_face, write_fer_csv
from mien.audit import REASONS, audit, choose_left_out, find_faceless, has_learnt
from mien.classifier import Classifier
from mien.cli import app
from mien.data import FaceSet, leave_out, read
from mien.errors import UsageError
from mien.labels import EXPRESSIONS
from mien.model_folder import ModelConfig
from mien.pictures import resize, to_grey
from tiny_model import write_tiny_model

HAPPY, SURPRISE, NEUTRAL = 3, 5, 6
VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
COLUMN = {NEUTRAL: 0, HAPPY: 1, SURPRISE: 2}
EXPECTED = {
    "blank": [76, 77],
    "identical": [0, 1, 72, 73],
    "identical_in_other_split": [1, 73],
    "identical_with_other_label": [],
    "twin": [0, 1, 2, 7, 72, 73, 74, 75],
    "twin_in_other_split": [1, 73],
    "twin_with_other_label": [7, 75],
    "likely_wrong_label": [4, 40, 66, 75],
    "likely_wrong_and_votes_against": [4, 40, 66, 75],
    "votes_against_label": [4, 10, 40, 66, 75],
}
LEFT_OUT = {
    0: None,
    1: ("twin_in_other_split", 73),
    7: ("twin_with_other_label", None),
    72: ("duplicate", 0),
    74: ("duplicate", 2),
    75: ("twin_with_other_label", None),
    76: ("blank", None),
    77: ("blank", None),
}


def distinct_faces(seed):
    """72 drawn faces, each before a background of its own so that no two are alike."""
    rng = np.random.default_rng(seed)
    axis = (np.arange(48) + 0.5) / 24 - 1
    edge = np.clip(np.hypot(axis[None] / 0.8, axis[:, None] / 0.95) - 0.75, 0, 0.5) * 1.6
    labels, images = np.array([HAPPY, SURPRISE, NEUTRAL] * 24), []
    for label in labels:
        ground = resize(rng.integers(0, 256, (6, 6)).astype(np.uint8), 48, 48).astype(float) - 128
        face = drawn_face(rng, label) + ground * edge
        images.append(np.clip(face, 0, 255).astype(np.uint8))
    return np.stack(images), labels


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The set and its votes; what is wrong with it is in `EXPECTED`."""
    images, truth = distinct_faces(seed=1)
    noise = np.random.default_rng(0).normal(0, 6, images[0].shape)
    planted = [
        (images[0], truth[0], "Training"),  # 72
        (images[1], truth[1], "PublicTest"),
        (images[2][:, ::-1] // 2 + 20, truth[2], "Training"),
        (np.clip(images[7] + noise, 0, 255).astype(np.uint8), truth[7], "Training"),
        (np.full((48, 48), 9, np.uint8), NEUTRAL, "Training"),
        (100 + np.eye(48, dtype=np.uint8), NEUTRAL, "Training"),  # 77
    ]
    more, more_truth, more_usages = zip(*planted, strict=True)
    truth = np.array([*truth, *more_truth])
    labels, voted = truth.copy(), truth.copy()
    for row in (4, 40, 66, 75):
        labels[row] = HAPPY + SURPRISE - truth[row]
    voted[10] = NEUTRAL
    folder = tmp_path_factory.mktemp("audited")
    usages = [*["Training"] * 50, *["PublicTest"] * 22, *more_usages]
    write_fer_csv(folder / "faces.csv", np.stack([*images, *more]), labels, usages)
    counts = np.zeros((len(voted), 10), int)
    counts[np.arange(len(voted)), [COLUMN[label] for label in voted]] = 10
    rows = [f"{u},," + ",".join(map(str, c)) for u, c in zip(usages, counts, strict=True)]
    (folder / "votes.csv").write_text("\n".join([VOTES, *rows]) + "\n")
    return folder / "faces.csv", folder / "votes.csv"


@pytest.fixture(scope="module")
def found(files):
    return audit(read(*files))


def test_all_that_is_wrong_is_found_and_nothing_else(found):
    rows = {name: np.flatnonzero(mask).tolist() for name, mask in found.findings.items()}
    assert rows == EXPECTED
    assert found.twins.mirrored.tolist() == [False, False, True, False]
    assert found.likely[[4, 40, 66]].tolist() == [SURPRISE, SURPRISE, HAPPY]
    assert found.judged.sum() == 76
    document = found.to_json_dict()
    assert document["groups_identical"] == {
        "num_groups": 2,
        "num_across_splits": 1,
        "num_other_label": 0,
    }
    assert list(document["groups_of_twins"].values()) == [4, 1, 1]


def test_of_each_group_the_documented_face_stays(found):
    chosen = {each.index: (each.reason, each.partner) for each in choose_left_out(found)}
    assert chosen == {row: why for row, why in LEFT_OUT.items() if why}
    by_votes = choose_left_out(found, ["votes_against_label"])
    assert [each.index for each in by_votes] == EXPECTED["votes_against_label"]
    assert len(choose_left_out(audit(found.faces, model=None), ["blank"])) == 2


def test_the_commonest_label_of_twins_stays():
    images, _ = distinct_faces(seed=1)
    faces = FaceSet(
        images=images[[0, 0, 0, 1, 1]],
        labels=np.array([1, 0, 0, 0, 1]),
        label_names=("happy", "sad"),
        rows=np.arange(5),
        sources=("made",),
        splits=np.array(["train", "train", "train", "test", "val"]),
    )
    chosen = choose_left_out(audit(faces, model=None))
    assert [(each.index, each.reason, each.partner) for each in chosen] == [
        (0, "twin_with_other_label", 1),
        (2, "duplicate", 1),
        (4, "twin_in_other_split", 3),
    ]


def test_a_reason_that_was_not_looked_for_is_refused(found):
    with pytest.raises(UsageError, match=r"no reason 'duplicates'; did you mean 'duplicate'\?"):
        choose_left_out(found, ["duplicates"])
    with pytest.raises(UsageError, match="no_face was not looked for: it needs --detect"):
        choose_left_out(found, ["no_face"])


def test_the_command_prints_writes_and_shows(files, tmp_path):
    data, votes = files
    rows, words = tmp_path / "out.csv", ["data", "audit", data, "--votes", votes]
    words += ["--output", tmp_path, "--write", rows]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    card = (tmp_path / "card.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["size_categories"] == ["n<1K"]
    assert "\n| blank | 2 | 2 | 0 |" in card
    assert "\n| likely wrong label | 4 | " in card
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["blank", "2", "0", "2"] in lines
    assert ["votes", "against", "the", "label", "4", "1", "5"] in lines
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    table = list(csv.DictReader(rows.read_text().splitlines()))
    assert [int(row["row"]) for row in table] == [row for row, why in LEFT_OUT.items() if why]
    assert "7 rows to leave out: 2 twin_with_other_label, 2 duplicate, 2 blank, 1" in result.output
    page = (tmp_path / "audit.html").read_text()
    for title in ("Twins with different labels", "Blank pictures", "Votes against the label"):
        assert f"<h2>{title}</h2>" in page
    assert "<b>happy 0%, surprise 100%</b>" in page
    # what is written is what another audit no longer finds
    rest = audit(leave_out(read(data), rows), model=None)
    assert not any(mask.any() for mask in rest.findings.values())


def test_json_and_chosen_reasons(files, tmp_path):
    data, _ = files
    words = ["data", "audit", data, "--model", "none", "--json", "--reasons", "blank"]
    refused = CliRunner().invoke(app, [str(word) for word in words])
    assert refused.exit_code == 2
    assert "--reasons goes with --write" in refused.output
    words += ["--write", tmp_path / "out.csv"]
    for reason in ("no_face", "votes_against_label", "likely_wrong_label", "blanc"):
        early = [*words[:2], "none.csv", *words[3:], "--reasons", reason]  # before any reading
        refused = CliRunner().invoke(app, [str(word) for word in early])
        assert refused.exit_code == 2
        assert reason in refused.output
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["findings"]["twin"] == {
        "total": 8,
        "by_split": {"Training": 7, "PublicTest": 1},
    }
    assert "likely_wrong_label" not in document["findings"]
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_faces_without_labels_or_splits():
    images, _ = distinct_faces(seed=1)
    faces = FaceSet(images[[0, 1, 0]], None, (), np.arange(3), ("made",))
    document = audit(faces).to_json_dict()
    assert {name: its["total"] for name, its in document["findings"].items()} == {
        "blank": 0,
        "identical": 2,
        "twin": 2,
    }
    assert [each.index for each in choose_left_out(audit(faces))] == [2]


@pytest.mark.parametrize("num_faces", [1, 4, 5])
def test_a_label_is_judged_where_there_are_faces_to_judge_it_by(num_faces, tmp_path):
    images, labels = distinct_faces(seed=1)
    data = write_fer_csv(tmp_path / "few.csv", images[:num_faces], labels[:num_faces], "Training")
    model = Classifier(write_tiny_model(tmp_path / "model"))
    assert audit(read(data), model).to_json_dict()["num_judged"] == (5 if num_faces == 5 else 0)


def test_the_detector_misses_what_is_no_face():
    face = resize(to_grey(astronaut()[40:180, 155:295]), 48, 48)
    noise = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    colours = np.stack([face] * 3, axis=-1)
    assert find_faceless(np.stack([face, noise])).tolist() == [False, True]
    assert find_faceless(colours[None]).tolist() == [False]


def test_labels_that_a_model_learnt_are_not_judged(files):
    faces = read(files[0])
    training = faces.take_split("Training")

    def learnt(vote_weight=0.0, **record):
        record |= {
            "recipe": {"data": {"train_split": "train"}, "train": {"vote_weight": vote_weight}}
        }
        config = ModelConfig(architecture="x", labels=EXPRESSIONS, training=record)
        return has_learnt(config, faces).tolist()

    of_training = (faces.splits == "Training").tolist()
    assert learnt(data_hash=faces.content_hash()) == of_training
    assert learnt(train_hash=training.content_hash()) == of_training
    assert not any(learnt(train_hash="of another set"))
    assert not any(learnt(vote_weight=1.0, data_hash=faces.content_hash()))
    assert any(learnt(vote_weight=1.0, data_hash=faces.content_hash(), init="fer2013"))


def test_every_reason_has_a_name_that_the_help_lists():
    said = CliRunner().invoke(app, ["data", "audit", "--help"], env={"COLUMNS": "300"}).stdout
    assert all(reason in said for reason in REASONS)
