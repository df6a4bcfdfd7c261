"""Targets mixed of labels, FER+ votes and a teacher; folds left out."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien import training
from mien.classifier import Classifier
from mien.cli import app
from mien.data import assign_folds, read, write_teacher
from mien.errors import UsageError
from mien.evaluation import fit_temperature
from mien.recipes import load_recipe
from mien.training import checkpoint
from mien.training.data import TrainingSource, prepare
from mien.training.lr_range import lr_range_test
from mien.training.state import start

NUM_FACES, NUM_TRAINING = 60, 40
WEIGHTS = ("train.vote_weight=0.2", "train.teacher_weight=0.5")
HEAD = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path, Path]:
    """A set, votes (six for fear, two for happiness, two unknown), a teacher of its own mind."""
    data, votes, teacher = tmp_path / "faces.csv", tmp_path / "votes.csv", tmp_path / "t.npz"
    splits = ["Training"] * NUM_TRAINING + ["PublicTest"] * (NUM_FACES - NUM_TRAINING)
    write_fer_csv(data, *drawn_set(NUM_FACES, seed=6), splits)
    rows = [f"{split},face{i}.png,0,2,0,0,0,0,6,0,2,0" for i, split in enumerate(splits)]
    votes.write_text("\n".join([HEAD, *rows]) + "\n")
    training = read(data).take_split("Training")
    logits = np.random.default_rng(2).normal(size=(NUM_TRAINING, 7)).astype(np.float16)
    write_teacher(teacher, training, logits)
    return data, votes, teacher


def recipe(*settings: str):
    return load_recipe("logistic", ["train.epochs=2", "train.batch_size=16", *settings])


def test_targets_are_the_weighted_mean_of_label_votes_and_teacher(files):
    data, votes, teacher = files
    plain = prepare(TrainingSource(data), recipe())
    mixed = prepare(TrainingSource(data, votes, (str(teacher),)), recipe(*WEIGHTS))
    with np.load(teacher) as archive:
        logits = archive["logits"].astype(float)
    taught = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    shares = np.zeros(7)
    shares[[2, 3]] = 0.75, 0.25  # fear, happy: of the votes for the seven
    own = np.eye(7)[plain.train.labels]
    state = start(mixed.recipe, mixed.train, mixed.selection)
    np.testing.assert_allclose(
        state.train_targets.numpy(), 0.3 * own + 0.2 * shares + 0.5 * taught, rtol=1e-4
    )
    assert mixed.selection.soft_labels is None
    assert (mixed.data_hash, mixed.train_hash) == (plain.data_hash, plain.train_hash)
    assert plain.targets_hash is None
    assert plain.identity != mixed.identity


def test_opinions_and_weights_go_together(files):
    data, votes, _ = files
    with pytest.raises(UsageError, match=r"--votes without a weight: set train.vote_weight"):
        prepare(TrainingSource(data, votes), recipe())
    with pytest.raises(UsageError, match=r"train.teacher_weight is 0.5: name the file"):
        prepare(TrainingSource(data, votes), recipe(*WEIGHTS))
    with pytest.raises(UsageError, match=r"sum to more than 1"):
        recipe("train.vote_weight=0.6", "train.teacher_weight=0.6")


def kept_logits(run):
    """Returns the selection faces' logits of the epoch that was exported."""
    content = checkpoint.read(run)
    assert content is not None
    return content["best"]["logits"].numpy()


def temperature_of(run):
    return json.loads((run / "model" / "config.json").read_text())["temperature"]


def test_a_run_keeps_its_votes_and_its_teacher(files, tmp_path):
    data, votes, teacher = files
    words = ["--recipe", "logistic", "--data", str(data), "--output", str(tmp_path / "run")]
    for setting in ("train.epochs=1", "train.batch_size=16", *WEIGHTS):
        words += ["--set", setting]
    opinions = ["--votes", str(votes), "--teacher", str(teacher)]
    result = CliRunner().invoke(app, ["train", *words, *opinions])
    assert result.exit_code == 0, result.output
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (info["votes"], info["teacher"]) == (str(votes), [str(teacher)])
    record = json.loads((tmp_path / "run" / "model" / "config.json").read_text())["training"]
    assert (record["votes"], record["teacher"]) == ("votes.csv", "t.npz")
    assert record["selection_tta"]["num_faces"] == NUM_FACES - NUM_TRAINING
    labels = read(data).take_split("PublicTest").labels
    assert labels is not None
    own = fit_temperature(kept_logits(tmp_path / "run"), labels)
    assert temperature_of(tmp_path / "run") == own
    (tmp_path / "run" / "model" / "config.json").unlink()
    for path in (tmp_path / "run" / "model").iterdir():
        path.unlink()
    (tmp_path / "run" / "model").rmdir()
    write_teacher(teacher, read(data).take_split("Training"), np.zeros((NUM_TRAINING, 7)))
    result = CliRunner().invoke(app, ["train", "--resume", str(tmp_path / "run")])
    assert result.exit_code != 0
    assert "targets_hash was" in str(result.exception) + result.output


def test_a_search_asks_for_the_teacher_that_it_weighs(files, tmp_path):
    data, _, teacher = files
    words = ["tune", "--recipe", "logistic", "--data", str(data), "--output", str(tmp_path / "s")]
    for setting in ("train.epochs=1", "train.batch_size=16"):
        words += ["--set", setting]
    words += ["--search", "train.teacher_weight=0,0.9"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "train.teacher_weight is 0.9: name the file with --teacher" in result.output
    result = CliRunner().invoke(app, [*words, "--teacher", str(teacher), "--json"])
    assert result.exit_code == 0, result.output
    trials = json.loads(result.stdout)["trials"]
    assert trials[0]["value"] != trials[1]["value"]
    write_teacher(teacher, read(data).take_split("Training"), np.zeros((NUM_TRAINING, 7)))
    result = CliRunner().invoke(app, [*words, "--teacher", str(teacher)])
    assert (result.exit_code, "its study has another teacher" in result.output) == (2, True)
    result = CliRunner().invoke(app, [*words, "--teacher", str(tmp_path / "none.npz")])
    assert (result.exit_code, "none.npz: no such file" in result.output) == (4, True)
    unread = CliRunner().invoke(
        app, [*words[:-1], "augment.flip=none,random", "--teacher", str(teacher)]
    )
    assert (unread.exit_code, "--teacher without a weight" in unread.output) == (2, True)


def test_the_rate_test_asks_for_the_teacher(files, tmp_path):
    with pytest.raises(UsageError, match=r"name the file with --teacher"):
        lr_range_test(
            "logistic",
            TrainingSource(files[0]),
            tmp_path / "out",
            1e-4,
            1.0,
            ["train.teacher_weight=0.5"],
        )


def test_a_fold_is_left_out_of_training_alone(files):
    data = files[0]
    whole = prepare(TrainingSource(data), recipe())
    kept = [
        prepare(TrainingSource(data), recipe("data.folds=4", f"data.fold={fold}"))
        for fold in range(4)
    ]
    folds = assign_folds(whole.train.labels, 4, 42)
    for fold, part in enumerate(kept):
        assert part.train.rows.tolist() == whole.train.rows[folds != fold].tolist()
        assert len(part.selection) == NUM_FACES - NUM_TRAINING
        assert part.train_split == f"Training without fold {fold} of 4, seed 42"
    with pytest.raises(UsageError, match=r"data.fold less than it"):
        recipe("data.folds=4", "data.fold=4")


VOTED = ("train.vote_weight=1.0", "train.selection_truth=votes")


def test_selection_by_votes_measures_their_majority_and_shares(files, tmp_path):
    """All faces have six votes for fear and two for happy, whatever their labels."""
    data, votes, _ = files
    fear = (read(data).take_split("PublicTest").labels == 2).mean()
    assert fear < 0.3
    words = ["--recipe", "logistic", "--data", str(data), "--output", str(tmp_path / "run")]
    for setting in ("train.epochs=3", "train.batch_size=8", "optimizer.lr=0.01", *VOTED):
        words += ["--set", setting]
    result = CliRunner().invoke(app, ["train", *words, "--votes", str(votes)])
    assert result.exit_code == 0, result.output
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["accuracy"] == 1
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert entropy < last["log_loss"] < entropy + 0.7
    record = json.loads((tmp_path / "run/model/config.json").read_text())["training"]
    assert record["selection"]["accuracy"] == pytest.approx(fear)
    assert record["selection"]["votes"]["accuracy"] == 1
    assert record["selection"]["votes"]["vote_entropy"] == pytest.approx(entropy, rel=1e-5)
    card = (tmp_path / "run/model/README.md").read_text()
    assert "**100.00%**" in card.partition("FER2013's labels")[0]
    shares = np.tile([0, 0, 0.75, 0.25, 0, 0, 0], (NUM_FACES - NUM_TRAINING, 1))
    own = fit_temperature(kept_logits(tmp_path / "run"), shares)
    assert temperature_of(tmp_path / "run") == pytest.approx(own, rel=1e-5)
    options = ["--data", str(data), "--votes", str(votes), "--split", "PublicTest", "--json"]
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run"), *options])
    assert json.loads(result.stdout) == record["selection"]
    assert "selected on" in result.stderr


def test_selection_by_votes_wants_them_and_is_part_of_what_a_run_is(files):
    data, votes, _ = files
    with pytest.raises(UsageError, match="selection_truth is votes: name the file with --votes"):
        prepare(TrainingSource(data), recipe("train.selection_truth=votes"))
    voted = prepare(TrainingSource(data, votes), recipe(*VOTED))
    labelled = prepare(TrainingSource(data, votes), recipe("train.vote_weight=1.0"))
    assert voted.identity != labelled.identity
    assert voted.selection_hash == labelled.selection_hash
    assert labelled.selection.votes is None
    for line in (0, NUM_TRAINING + 1):  # a vote of a training face, of a selection face
        lines = votes.read_text().splitlines()
        lines[1 + line] = lines[1 + line].replace(",2,0,0,0,0,6,", ",6,0,0,0,0,2,")
        other = votes.with_name(f"other{line}.csv")
        other.write_text("\n".join(lines) + "\n")
        assert prepare(TrainingSource(data, other), recipe(*VOTED)).identity != voted.identity


def test_files_that_moved_can_be_named_anew(files, tmp_path):
    data, votes, teacher = files
    words = ["--recipe", "logistic", "--data", str(data), "--output", str(tmp_path / "run")]
    for setting in ("train.epochs=1", "train.batch_size=16", *WEIGHTS):
        words += ["--set", setting]
    opinions = ["--votes", str(votes), "--teacher", str(teacher)]
    assert CliRunner().invoke(app, ["train", *words, *opinions]).exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    moved = [path.rename(tmp_path / "elsewhere" / path.name) for path in (data, votes, teacher)]
    places = ["--data", str(moved[0]), "--votes", str(moved[1]), "--teacher", str(moved[2])]
    shutil.rmtree(tmp_path / "run" / "model")
    export = ["export", str(tmp_path / "run"), "--output"]
    with pytest.warns(UserWarning, match=r"card lacks .*faces\.csv"):
        assert CliRunner().invoke(app, [*export, str(tmp_path / "poor")]).exit_code == 0
    result = CliRunner().invoke(app, ["train", "--resume", str(tmp_path / "run")])
    assert result.exit_code == 4
    assert "faces.csv" in result.stderr
    result = CliRunner().invoke(app, ["train", "--resume", str(tmp_path / "run"), *places])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, [*export, str(tmp_path / "whole"), *places])
    assert result.exit_code == 0, result.output
    models = [tmp_path / name for name in ("poor", "run/model", "whole")]
    records = [json.loads((model / "config.json").read_text())["training"] for model in models]
    assert ["selection_tta" in record for record in records] == [False, True, True]


def test_a_prior_that_is_taken_back_moves_the_logits_by_its_logarithm(files, tmp_path):
    """Half of the logarithm of each class's part of the training faces."""
    data, _, _ = files
    run = tmp_path / "run"
    words = ["--data", str(data), "--output", str(run), "--recipe", "logistic"]
    for setting in ("train.epochs=1", "train.batch_size=16"):
        words += ["--set", setting]
    assert CliRunner().invoke(app, ["train", *words]).exit_code == 0
    page = run / "recipe.toml"
    page.write_text(page.read_text().replace("prior_correction = 0.0", "prior_correction = 0.5"))
    corrected = training.export(run, tmp_path / "corrected")
    faces = read(data)
    counts = np.bincount(faces.take_split("Training").labels, minlength=7)
    before, after = Classifier(run), Classifier(corrected)
    shift = [each.logits(faces.images[:5]) * each.config.temperature for each in (before, after)]
    expected = -0.5 * np.log(counts / counts.sum())
    np.testing.assert_allclose(shift[1] - shift[0], np.tile(expected, (5, 1)), atol=1e-3)


def test_a_checkpoint_of_something_else_is_an_error(files, tmp_path):
    """Whole and with the right checksum, but keys are missing, or are of another network."""
    data, _, _ = files
    run = tmp_path / "run"
    words = ["--data", str(data), "--output", str(run), "--recipe", "logistic"]
    settings = ["--set", "train.epochs=1", "--set", "train.batch_size=16"]
    assert CliRunner().invoke(app, ["train", *words, *settings]).exit_code == 0
    content = checkpoint.read(run)
    assert content is not None
    changes = {
        "it lacks net": lambda page: page.pop("net"),
        "it lacks best, last": lambda page: (page.pop("best"), page.pop("last")),
        "not of this run's recipe": lambda page: page.update(net={"other": torch.zeros(3)}),
        "not of this run's recipe: .param_groups": lambda page: page.update(optimizer={}),
    }
    for message, change in changes.items():
        page = dict(content)
        change(page)
        payload = io.BytesIO()
        torch.save(page, payload)
        (run / "checkpoint.pt").write_bytes(payload.getvalue())
        shutil.rmtree(run / "model", ignore_errors=True)
        result = CliRunner().invoke(app, ["train", "--resume", str(run)])
        assert result.exit_code == 3, result.output
        assert re.search(message, result.stderr), result.stderr
