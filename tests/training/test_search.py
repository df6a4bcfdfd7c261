"""Searches on drawn faces: what is proposed, kept, pruned, gone on with and shared."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import optuna
import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from drawn_faces import drawn_set, write_fer_csv
from mien import training
from mien.data import read
from mien.errors import MissingError, UsageError
from mien.recipes import load_recipe
from mien.training import TrainingSource
from mien.training.data import take_few
from mien.training.search import run as search_run
from mien.training.search import search, study
from mien.training.search.result import kept_epoch
from mien.training.search.space import parse_search, read_space, split_list
from postgres_server import postgres_server

SMALL = ["data.input_size=24", "train.epochs=3", "train.batch_size=32"]
RATES = "optimizer.lr=1e-4,3e-4,1e-3,3e-3,1e-2,3e-2"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    images, labels = drawn_set(200, seed=3, size=24)
    usages = ["Training"] * 140 + ["PublicTest"] * 60
    return write_fer_csv(tmp_path_factory.mktemp("data") / "faces.csv", images, labels, usages)


def run(data, output, *searches, fixed=(), **options):
    return search("logistic", TrainingSource(data), output, searches, [*SMALL, *fixed], **options)


def values_by_setting(result) -> dict[tuple, float | None]:
    return {tuple(trial.settings.values()): trial.value for trial in result.trials}


# ---- the words of --search


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("a.b=log(1e-4,1e-2)", FloatDistribution(1e-4, 1e-2, log=True)),
        ("a.b = uniform( 0, 1.5 )", FloatDistribution(0, 1.5)),
        ("a.b=int(16,256)", IntDistribution(16, 256)),
        ("a.b=adam,adamax, sgd", CategoricalDistribution(("adam", "adamax", "sgd"))),
        ("a.b=[[0.5,16],[0.5,24]],[]", CategoricalDistribution(("[[0.5,16],[0.5,24]]", "[]"))),
        ('a.b="x,y",z', CategoricalDistribution(('"x,y"', "z"))),
    ],
)
def test_what_the_words_mean(text, distribution):
    assert parse_search(text) == ("a.b", distribution)


plain = st.text(st.characters(categories=["L", "N"]), min_size=1)
quoted = plain.map(lambda word: f'"{word},]"')
nested = st.lists(plain, max_size=3).map(lambda words: f"[{','.join(words)}]")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(plain, quoted, nested), min_size=1), st.sampled_from([",", " , "]))
def test_a_list_falls_apart_at_its_own_commas(parts, comma):
    assert split_list(comma.join(parts)) == parts


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300), st.sampled_from(["log", "uniform"]))
def test_a_range_keeps_its_ends(one, other, kind):
    low, high = sorted((one, other))
    if low == high:
        with pytest.raises(UsageError, match="less than"):
            parse_search(f"a.b={kind}({low!r},{high!r})")
    else:
        found = parse_search(f"a.b={kind}({low!r},{high!r})")[1]
        assert isinstance(found, FloatDistribution)
        assert (found.low, found.high, found.log) == (low, high, kind == "log")


@pytest.mark.parametrize(
    ("searches", "words"),
    [
        (["optimizer.lr"], "expected section.key=values"),
        (["optimizer.lr="], "expected section.key=values"),
        (["optimizer.lr=3"], "two values or more"),
        (["optimizer.lr=1,,2"], "two values or more"),
        (["optimizer.lr=logg(1,2)"], "did you mean 'log'"),
        (["optimizer.lr=log(1)"], "two numbers"),
        (["optimizer.lr=log(0,1)"], "above 0"),
        (["optimizer.lr=uniform(2,1)"], "less than"),
        (["optimizer.lr=uniform(0.1,inf)"], "less than"),
        (["train.batch_size=int(1.5,3)"], "two whole numbers"),
        (["optimizer.lrr=1,2"], "did you mean 'lr'"),
        (["optimiser.lr=1,2"], "did you mean 'optimizer'"),
        (["optimizer.name=adam,adm"], "got 'adm'"),
        (["optimizer.momentum=uniform(0,2)"], "optimizer.momentum"),
        (["train.patience=uniform(1,9)"], "valid integer"),
        (["optimizer.lr=1e-3,0.001"], "lists 0.001 twice"),
        (["optimizer.lr=1,2", "optimizer.lr=3,4"], "given twice"),
        (["train.epochs=1,2"], "by --set and by --search"),
        (["train.selection_metric=accuracy,log_loss"], "decides what is measured"),
        (["model.name=logistic,logistik"], "did you mean 'logistic'"),
        (["model.options.depth=1,2"], "no option 'depth'"),
        ([], "nothing to search"),
    ],
)
def test_bad_words_are_refused_before_anything_runs(searches, words, data, tmp_path):
    with pytest.raises(UsageError, match=words):
        run(data, tmp_path / "study", *searches)
    assert not (tmp_path / "study").exists()


def test_values_reach_the_recipe_as_it_takes_them():
    space, probes = read_space(
        "mien_s",
        ["train.epochs=2"],
        ["data.mean=[0.4],[0.5]", "optimizer.lr=log(1e-3,1)", "train.batch_size=int(8,9)"],
    )
    found = space.settings({"data.mean": "[0.4]", "optimizer.lr": 0.1 + 0.2, "train.batch_size": 8})
    recipe = space.recipe_with(found)
    assert recipe.data.mean == (0.4,)
    assert recipe.optimizer.lr == 0.1 + 0.2
    assert (recipe.train.batch_size, recipe.train.epochs) == (8, 2)
    assert space.size == float("inf")
    assert {probe.optimizer.lr for probe in probes} >= {1e-3, 1.0}
    finite, _ = read_space("mien_s", [], ["data.mean=[0.4],[0.5]", "train.batch_size=int(8,10)"])
    assert finite.size == 6


# ---- trials


def test_every_value_of_a_list_is_tried_first_and_not_again_when_gone_on_with(data, tmp_path):
    names = ("adam", "adamax", "sgd", "adagrad")
    words = (f"optimizer.name={','.join(names)}", "optimizer.lr=log(1e-4,1e-2)")
    flips = "augment.flip=none,random"
    output = tmp_path / "study"
    few = run(data, output, *words, flips, fixed=["train.epochs=1"], num_trials=3)
    assert len({trial.settings["optimizer.name"] for trial in few.trials}) == 3
    assert {trial.settings["augment.flip"] for trial in few.trials[:2]} == {"none", "random"}
    more = run(data, output, *words, flips, fixed=["train.epochs=1"], num_trials=5)
    assert {trial.settings["optimizer.name"] for trial in more.trials[:4]} == set(names)
    assert len({trial.settings["optimizer.lr"] for trial in more.trials}) == 5


def test_a_finite_space_is_tried_whole_and_once(data, tmp_path, capsys):
    output = tmp_path / "study"
    result = run(data, output, RATES, "optimizer.name=adam,sgd", prune=False, num_trials=50)
    assert "only 12 different settings" in capsys.readouterr().err
    assert len(values_by_setting(result)) == len(result.trials) == 12
    assert {trial.state for trial in result.trials} == {"complete"}
    assert result.best is not None
    assert result.best.value == max(values_by_setting(result).values())

    rows = list(csv.DictReader((output / "trials.csv").read_text().splitlines()))
    assert [float(row["value"]) for row in rows] == [trial.value for trial in result.trials]
    assert {row["optimizer.name"] for row in rows} == {"adam", "sgd"}
    for name in ("history.png", "knobs.png"):
        assert (output / name).read_bytes().startswith(b"\x89PNG")
    assert not list(output.glob("*.part*"))
    json.dumps(result.to_json_dict(), allow_nan=False)


def test_the_best_recipe_trains_to_the_value_that_was_found(data, tmp_path):
    result = run(data, tmp_path / "study", "optimizer.lr=log(1e-3,1e-1)", num_trials=3)
    recipe = load_recipe(tmp_path / "study" / "best.toml")
    assert recipe == result.recipe
    assert result.best is not None
    assert recipe.optimizer.lr == result.best.settings["optimizer.lr"]
    trained = training.train(recipe, data, tmp_path / "run")
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert lines[result.best.epoch]["accuracy"] == result.best.value
    assert max(line["accuracy"] for line in lines) == result.best.value


def test_every_trial_starts_with_a_fresh_network(data, tmp_path):
    first = run(data, tmp_path / "one", RATES, prune=False, seed=0)
    other = run(data, tmp_path / "other", RATES, prune=False, seed=1)
    assert [trial.settings for trial in first.trials] != [trial.settings for trial in other.trials]
    assert values_by_setting(first) == values_by_setting(other)
    assert len(set(values_by_setting(first).values())) > 3


def test_going_on_gives_what_an_untouched_search_gives(data, tmp_path):
    lr = "optimizer.lr=log(1e-5,1e-1)"
    whole = run(data, tmp_path / "whole", lr, num_trials=8)
    for num_trials in (3, 6, 8):
        parts = run(data, tmp_path / "parts", lr, num_trials=num_trials)
    assert len(parts.trials) == 8
    assert values_by_setting(parts) == values_by_setting(whole)
    done = run(data, tmp_path / "parts", lr, num_trials=8)
    assert done == parts


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "another seed"),
        ({"max_faces": 70}, "another max faces"),
        ({"fixed": ["train.seed=5"]}, "another recipe"),
    ],
)
def test_a_study_of_something_else_is_not_gone_on_with(changes, words, data, tmp_path):
    run(data, tmp_path / "study", RATES, num_trials=1)
    with pytest.raises(UsageError, match=words):
        run(data, tmp_path / "study", RATES, num_trials=2, **changes)


def test_other_folders_and_databases_are_left_alone(data, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no study"):
        run(data, tmp_path, RATES)
    for url in ("here.db", "redis://x", "mongo://x/y"):
        with pytest.raises(UsageError, match="database URL"):
            run(data, tmp_path / "study", RATES, storage=url)
    with pytest.raises(MissingError, match=r"u:\*\*\*@localhost"):
        run(data, tmp_path / "study", RATES, storage="postgresql+psycopg://u:pw@localhost:1/x")
    assert not (tmp_path / "study").exists()


def test_hopeless_trials_are_pruned(data, tmp_path):
    lr = "optimizer.lr=1e-3,2e-3,3e-3,1e-9,2e-9,3e-9,4e-3,5e-3,6e-3"
    fixed = ["train.epochs=6", "train.selection_metric=log_loss"]
    result = run(data, tmp_path / "study", lr, fixed=fixed, seed=3)
    late = [trial for trial in result.trials if trial.number >= 5]  # the first give the median
    pruned = [trial for trial in late if trial.settings["optimizer.lr"] < 1e-8]
    assert pruned
    assert {trial.state for trial in pruned} == {"pruned"}
    assert result.best is not None
    assert result.best.settings["optimizer.lr"] > 1e-4
    complete = [trial.value for trial in result.trials if trial.state == "complete"]
    assert result.best.value == min(value for value in complete if value is not None)
    with sqlite3.connect(tmp_path / "study" / "study.db") as database:
        steps = "select max(step) from trial_intermediate_values where trial_id = ?"
        last = database.execute(steps, (pruned[0].number + 1,)).fetchone()[0]
    database.close()
    assert last < 6


def test_trials_that_cannot_be_trained_count_and_are_named(data, tmp_path, capsys):
    # A step of 1e38 makes the logits infinite; a fixed flip does not go with ten crops.
    result = run(
        data,
        tmp_path / "study",
        "augment.flip=none,random",
        "augment.crops=none,ten",
        "optimizer.lr=1e-3,1e38",
        prune=False,
    )
    states = {tuple(trial.settings.values()): trial.state for trial in result.trials}
    assert len(states) == 8
    assert states["none", "none", 1e-3] == "complete"
    assert states["none", "none", 1e38] == "diverged"
    assert states["random", "ten", 1e-3] == states["random", "ten", 1e38] == "refused"
    words = capsys.readouterr().err
    assert "augment.flip must be none" in words
    assert "not finite" in words


def test_which_epoch_counts():
    values = {0: 0.1, 1: 0.5, 2: 0.5, 3: 0.4}
    assert kept_epoch(values, load_recipe("logistic")) == 1
    assert kept_epoch(values, load_recipe("logistic", ["train.keep=last"])) == 3
    assert kept_epoch(values, load_recipe("logistic", ["train.selection_metric=log_loss"])) == 0


def test_few_faces_keep_the_classes_shares(data):
    faces = read(data).take_split("Training")
    few = take_few(faces, 35, seed=0)
    assert len(few) == 35
    for name, count in faces.counts().items():
        assert abs(few.counts()[name] - count / 4) < 1, name
    assert len(take_few(faces, 37, seed=0)) == 37
    assert len(take_few(faces, 1000, seed=0)) == 140
    assert np.array_equal(take_few(faces, 35, seed=0).rows, few.rows)
    assert not np.array_equal(take_few(faces, 35, seed=1).rows, few.rows)


# ---- stopped, killed and shared


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def start(data, output, *arguments, epochs=3) -> subprocess.Popen:
    settings = ["data.input_size=24", f"train.epochs={epochs}", "train.batch_size=32"]
    command = [sys.executable, "-m", "mien", "tune", "--recipe", "logistic", "--data", data]
    command += ["--output", output, *arguments]
    command += [word for setting in settings for word in ("--set", setting)]
    return subprocess.Popen(
        list(map(str, command)),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_epoch(process: subprocess.Popen, url: str, trial: int, epoch: int) -> None:
    """Returns when a trial (counted from 1) has measured an epoch."""
    question = "select count(*) from trial_intermediate_values where trial_id = :t and step >= :e"
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    found = 0
    while not found:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
        with suppress(sqlalchemy.exc.SQLAlchemyError), engine.connect() as database:  # no table yet
            found = database.scalar(sqlalchemy.text(question), {"t": trial, "e": epoch})


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_search_that_was_ended_goes_on(end, data, tmp_path, monkeypatch):
    output = tmp_path / "study"
    words = ["--search", RATES, "--trials", 3, "--no-prune"]
    process = start(data, output, *words, epochs=20)
    output.mkdir()  # SQLite would not make it for the question
    wait_for_epoch(process, f"sqlite:///{output / 'study.db'}", trial=2, epoch=1)
    process.send_signal(end)
    said = process.communicate()[1]
    if end == signal.SIGINT:
        assert process.returncode == 130, said
        assert "go on with the same command" in said
        assert "Traceback" not in said
    monkeypatch.setattr(study, "GRACE_SECONDS", 1)
    time.sleep(2)  # so that it is over
    fixed = ["train.epochs=20"]
    result = run(data, output, RATES, num_trials=3, prune=False, fixed=fixed)
    assert [trial.state for trial in result.trials].count("stopped") == 1
    stopped = next(trial for trial in result.trials if trial.state == "stopped")
    complete = [trial for trial in result.trials if trial.state == "complete"]
    assert stopped.number == 1
    assert len(complete) == 3
    again = [trial for trial in complete if trial.settings == stopped.settings]
    assert len(again) == 1, "the settings of the trial that was ended are tried again"
    settings = [trial.settings for trial in complete]
    assert all(settings.count(each) == 1 for each in settings)
    if end == signal.SIGINT:  # in the same order, so with the same proposals
        whole = run(data, tmp_path / "whole", RATES, num_trials=3, prune=False, fixed=fixed)
        assert settings == [trial.settings for trial in whole.trials]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_two_processes_share_a_study(database, data, tmp_path, capsys):
    """On a real PostgreSQL too, which this test starts and stops."""
    output = tmp_path / "study"
    output.mkdir()
    if database == "sqlite":
        share(data, output, f"sqlite:///{output / 'study.db'}", [], capsys)
    else:
        with postgres_server(tmp_path / "server") as url:
            share(data, output, url, ["--storage", url], capsys)


def share(data: Path, output: Path, url: str, words: list[str], capsys) -> None:
    optimizers = "optimizer.name=adam,sgd,adamax"
    words = [*words, "--search", RATES, "--search", optimizers, "--trials", "12", "--no-prune"]
    process = start(data, output, *words, "--json")
    wait_for_epoch(process, url, trial=1, epoch=1)
    run(data, output, RATES, optimizers, num_trials=12, prune=False, storage=url)
    _, said = process.communicate()
    assert process.returncode == 0, said
    each = [text.count("\ntrial ") for text in ("\n" + said, "\n" + capsys.readouterr().err)]
    assert min(each) > 0, "both took part"
    both = run(data, output, RATES, optimizers, num_trials=12, prune=False, storage=url)
    assert "\ntrial " not in "\n" + capsys.readouterr().err, "all is done"
    assert {trial.state for trial in both.trials} == {"complete"}
    assert sum(each) == len(both.trials)
    assert 12 <= len(both.trials) <= 14, "each may run one trial more"


def test_a_process_that_slept_gives_way(data, tmp_path, monkeypatch, capsys):
    slept = []

    def epochs(state):
        for record in training_epochs(state):
            if record.epoch == 2 and not slept:
                url = f"sqlite:///{tmp_path / 'study' / 'study.db'}"
                study = optuna.load_study(study_name="study", storage=url)
                slept.append(study.trials[-1].number)
                study.tell(slept[0], state=TrialState.FAIL)
            yield record

    training_epochs = search_run.epochs
    monkeypatch.setattr(search_run, "epochs", epochs)
    result = run(data, tmp_path / "study", RATES, num_trials=3)
    assert slept == [0]
    assert "trial 0 was taken for dead" in capsys.readouterr().err
    assert [trial.state for trial in result.trials] == ["stopped", *["complete"] * 3]
