"""Every shipped recipe takes a step, and its checkpoint is the same after saving and loading."""

import numpy as np
import pytest
import torch

from drawn_faces import drawn_set, write_fer_csv
from mien.data import read, write_teacher
from mien.recipes import list_recipes, load_recipe
from mien.training import checkpoint
from mien.training.data import TrainingSource, prepare
from mien.training.loop import epochs
from mien.training.state import start


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "faces.csv"
    images, labels = drawn_set(21, seed=10)
    write_fer_csv(path, images, labels, ["Training"] * 14 + ["PublicTest"] * 7)
    return path


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_takes_a_step(name, data, tmp_path):
    recipe = load_recipe(
        name, ["train.epochs=1", "train.batch_size=32", "data.selection_fraction=0.5"]
    )
    teacher, votes = (), None
    if recipe.train.vote_weight:
        votes = tmp_path / "votes.csv"
        names = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
        splits = ["Training"] * 14 + ["PublicTest"] * 7
        rows = [f"{split},{i}.png,2,6,0,2,0,0,0,0,0,0" for i, split in enumerate(splits)]
        votes.write_text("\n".join([f"Usage,Image name,{names}", *rows]))
    if recipe.train.teacher_weight:
        learnt = read(data).take_split("Training")
        teacher = (str(tmp_path / "teacher.npz"),)
        write_teacher(teacher[0], learnt, np.zeros((14, 7), np.float32))
    faces = prepare(TrainingSource(data, votes, teacher), recipe)
    state = start(faces.recipe, faces.train, faces.selection)
    before = {key: value.clone() for key, value in state.bare_net.state_dict().items()}
    records = list(epochs(state))
    assert [record.step for record in records] == [0, 1]
    assert np.isfinite([records[1].train_loss, records[1].log_loss]).all()
    after = state.bare_net.state_dict()
    assert not all(torch.equal(before[key], after[key]) for key in before)

    checkpoint.save(state, tmp_path, faces.identity)
    again = start(faces.recipe, faces.train, faces.selection)
    content = checkpoint.read(tmp_path)
    assert content is not None
    assert checkpoint.restore(again, content, faces.identity) == []
    for key, value in again.bare_net.state_dict().items():
        assert torch.equal(value, after[key]), key
    assert again.losses == state.losses
    saved, loaded = state.optimizer.state_dict()["state"], again.optimizer.state_dict()["state"]
    assert saved.keys() == loaded.keys()
    assert all(
        torch.equal(value, loaded[key][part])
        for key, parts in saved.items()
        for part, value in parts.items()
        if isinstance(value, torch.Tensor)
    )


def test_own_mean_and_std_are_filled_in(data):
    source = TrainingSource(data)
    faces = prepare(source, load_recipe("logistic", ["data.mean=[]", "data.std=[]"]))
    pixels = faces.train.images / 255
    assert faces.recipe.data.mean == pytest.approx((pixels.mean(),), abs=1e-4)
    assert faces.recipe.data.std == pytest.approx((pixels.std(),), abs=1e-4)
    timm = prepare(source, load_recipe("timm"))
    assert timm.recipe.data.mean == pytest.approx((0.485, 0.456, 0.406))


def test_report_d_counts_on_a_small_set(tmp_path):
    labels = np.repeat(np.arange(7), 10)
    images, _ = drawn_set(70, seed=11)
    write_fer_csv(tmp_path / "train.csv", images, labels, None)
    faces = prepare(TrainingSource(tmp_path / "train.csv"), load_recipe("compact_cnn"))
    assert len(faces.selection) == 14
    assert faces.train.counts() == {**dict.fromkeys(faces.train.label_names, 8), "disgust": 32}


def test_class_weights_and_oversampling(tmp_path):
    labels = np.array([0] * 30 + [1] * 10 + [0, 1])
    images, _ = drawn_set(42, seed=12)
    usages = ["Training"] * 40 + ["PublicTest"] * 2
    write_fer_csv(tmp_path / "faces.csv", images, labels, usages)
    settings = ["data.drop=['fear','happy','sad','surprise','neutral']"]
    recipe = load_recipe("logistic", [*settings, "data.balance=weights"])
    faces = prepare(TrainingSource(tmp_path / "faces.csv"), recipe)
    state = start(recipe, faces.train, faces.selection)
    assert state.class_weights is not None
    assert state.class_weights.tolist() == pytest.approx([40 / 60, 2.0])
    recipe = load_recipe("logistic", [*settings, "data.balance=oversample"])
    grown = prepare(TrainingSource(tmp_path / "faces.csv"), recipe)
    assert list(grown.train.counts().values()) == [30, 30]
    assert grown.train_hash == faces.train_hash, "the faces learnt from are the same"


def test_few_faces_are_taken_before_a_class_grows(tmp_path):
    images, _ = drawn_set(70, seed=11)
    write_fer_csv(tmp_path / "train.csv", images, np.repeat(np.arange(7), 10), None)
    source, recipe = TrainingSource(tmp_path / "train.csv"), load_recipe("compact_cnn")
    few = prepare(source, recipe, max_faces=28)
    assert few.train.counts() == {**dict.fromkeys(few.train.label_names, 4), "disgust": 16}
    whole = prepare(source, recipe)
    assert len(few.selection) == len(whole.selection) == 14
    assert few.selection_hash == whole.selection_hash
    assert few.train_hash != whole.train_hash != prepare(source, recipe, 28, seed=1).train_hash
