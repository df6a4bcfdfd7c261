import re
import shlex
import tomllib
from pathlib import Path

import pytest

from mien.errors import BadInputError, MissingError, UsageError
from mien.recipes import Recipe, list_recipes, load_recipe, parse_recipe

DOCS = Path(__file__).parents[2] / "docs"


def documented(page):
    """The recipes that a page of the documentation trains, with its settings."""
    text = re.sub(r"\\\n\s+", "", (DOCS / page).read_text())
    for line in re.findall(r"^    mien train (.*)$", text, re.MULTILINE):
        words = shlex.split(line)
        options = [*zip(words[::2], words[1::2], strict=True)]
        settings = [value for name, value in options if name == "--set"]
        yield load_recipe(dict(options)["--recipe"], settings)


@pytest.mark.parametrize(("page", "number"), [("reproduction.md", 3), ("accuracy.md", 8)])
def test_what_the_documentation_trains_is_a_recipe(page, number):
    assert len([*documented(page)]) == number


def test_the_command_of_mien_m_plus_is_what_its_run_was_trained_with():
    ran = load_recipe(DOCS / "runs" / "mien_m_plus-0" / "recipe.toml")
    assert ran.model.options == {"branch_start": 1.0}  # the default since
    ran = ran.model_copy(update={"model": load_recipe("mien_m").model})
    same = [
        recipe.model_copy(update={"description": ran.description})
        for recipe in documented("accuracy.md")
    ]
    assert ran in same


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_survives_being_printed_and_read_again(name):
    recipe = load_recipe(name)
    assert recipe.description
    assert parse_recipe(tomllib.loads(recipe.to_toml()), name) == recipe


def test_a_printed_recipe_explains_every_section_and_knob():
    lines = load_recipe("mien_s").to_toml().splitlines()
    assert max(len(line) for line in lines if line.startswith("#")) <= 80
    for before, line in zip(["", *lines], lines, strict=False):
        if re.match(r"\[|\w+ = ", line):
            assert before.startswith("# "), line
    options = load_recipe("mien_s", ["model.options.width=2", "model.options.epochs=3"])
    assert tomllib.loads(options.to_toml())["model"]["options"] == {"width": 2, "epochs": 3}


def test_report_a():
    for name in ("logistic", "feedforward", "plain_cnn", "small_resnet"):
        recipe = load_recipe(name)
        assert recipe.model.name == name
        assert (recipe.train.epochs, recipe.train.batch_size) == (25, 400)
    assert load_recipe("logistic").augment == Recipe().augment
    augment = load_recipe("feedforward").augment
    assert (augment.flip, augment.pad_crop) == ("random", 4)


def test_report_b():
    b = load_recipe("resnet9")
    assert (b.augment.flip, b.augment.pad_crop) == ("random", 4)
    assert (b.data.mean, b.data.std, b.data.input_size) == ((0.5,), (0.5,), 48)
    assert (b.schedule.name, b.optimizer.lr) == ("one_cycle", 1e-3)
    assert (b.train.epochs, b.train.batch_size, b.train.clip_value) == (30, 128, 0.1)


def test_report_c():
    c = load_recipe("resnet9_elu")
    assert c.model.name == "resnet9_elu"
    assert (c.augment.flip, c.augment.rotate_degrees) == ("random", 40)
    assert c.data.channels == 1


def test_report_d():
    d = load_recipe("compact_cnn")
    assert (d.data.selection_fraction, d.data.stratified, d.data.split_seed) == (0.2, True, 42)
    assert d.data.selection_split == "", "it splits the training rows, nothing else"
    assert d.data.grow == ("disgust",)
    assert (d.data.mean, d.data.std, d.augment.flip) == ((0.5,), (0.5,), "random")
    assert (d.optimizer.name, d.optimizer.lr) == ("adam", 2e-4)
    assert (d.train.epochs, d.train.batch_size) == (30, 32)
    assert d.train.label_smoothing == 0


@pytest.mark.parametrize("name", ["emocnn", *(f"emo{number}cnn" for number in range(2, 7))])
def test_report_e(name):
    e = load_recipe(name)
    assert e.model.name == name
    assert (e.optimizer.name, e.optimizer.lr) == ("adam", 1e-3)
    assert (e.schedule.name, e.schedule.step_epochs, e.schedule.step_factor) == ("step", 15, 0.1)
    assert (e.train.epochs, e.train.batch_size) == (45, 1024)
    assert (e.augment.brightness, e.augment.contrast, e.augment.saturation) == (0.2, 0.2, 0.2)
    assert (e.data.mean, e.data.std) == ((0.5,), (0.5,))


def test_report_e_ablations_change_one_thing_each():
    best = load_recipe("emo5cnn")
    plain, fixed, pooled = documented("reproduction.md")
    assert plain.augment == Recipe().augment
    same = {"augment": best.augment, "description": best.description}
    assert plain.model_copy(update=same) == best
    assert (fixed.schedule.name, fixed.optimizer.lr) == ("constant", 1e-4)
    same = {name: getattr(best, name) for name in ("schedule", "optimizer", "description")}
    assert fixed.model_copy(update=same) == best
    assert pooled.model.options == {"pool": "max"}
    assert pooled.model_copy(update={"model": best.model}) == best


def test_settings_change_one_knob_and_nothing_else():
    plain = load_recipe("mien_s")
    changed = load_recipe(
        "mien_s", ["optimizer.lr=3e-4", "data.drop=['fear']", "augment.flip=none"]
    )
    assert changed.optimizer.lr == 3e-4
    assert changed.data.drop == ("fear",)
    assert changed.augment.flip == "none"
    assert changed.schedule == plain.schedule
    assert changed.train == plain.train


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("data.drop=disgust", ("disgust",)),
        ("data.drop=disgust, fear", ("disgust", "fear")),
        ("data.drop=[disgust,fear]", ("disgust", "fear")),
        ("data.grow=[]", ()),
        ("data.mean=0.4", (0.4,)),
        ("data.mean=1", (1.0,)),
    ],
)
def test_a_list_takes_plain_words(setting, values):
    key = setting.partition("=")[0].removeprefix("data.")
    assert getattr(load_recipe("mien_s", [setting]).data, key) == values


def test_numbers_between_commas_are_a_list():
    recipe = load_recipe("mien_s", ["data.mean=0.1,0.2,0.3", "data.std=0.4,0.5,0.6"])
    assert (recipe.data.mean, recipe.data.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.grow=", r"data.grow: .* or \[\] for none, got ''"),
        ("data.drop=none", r"data.drop: .* or \[\] for none, got 'none'"),
        ("data.mean=grey", "data.mean.0: .*valid number"),
        ("optimizer.lrr=1", "optimizer.lrr: unknown key; did you mean 'lr'"),
        ("optmizer.lr=1", "optmizer: unknown key; did you mean 'optimizer'"),
        ("optimizer.lr=0", "optimizer.lr: .*greater than 0, got 0"),
        ("optimizer.lr=quick", "optimizer.lr: .*got 'quick'"),
        ("optimizer.name=sdg", "optimizer.name: .*'sgd'"),
        ("train.epochs=0", "train.epochs"),
        ("train.sizes=[[0.5,32]]", "must sum to 1, not 0.5"),
        ("train.sizes=[[1.0,64]]", "exceeds data.input_size"),
        ("lr", "expected section.key=value"),
        ("description.x=1", "'description' is no section"),
    ],
)
def test_a_bad_setting_names_the_key_and_what_was_expected(setting, message):
    with pytest.raises(UsageError, match=message):
        load_recipe("mien_s", [setting])


def test_clipping_twice_is_refused():
    with pytest.raises(UsageError, match="by value or by norm, not both"):
        load_recipe("mien_s", ["train.clip_value=0.1", "train.clip_norm=1"])


def test_recipe_files(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[model]\nname = "emocnn"\n[train]\nepochs = 3\n')
    recipe = load_recipe(path)
    assert (recipe.model.name, recipe.train.epochs) == ("emocnn", 3)
    assert recipe.optimizer == Recipe().optimizer
    path.write_text("[train]\nepochs = \n")
    with pytest.raises(BadInputError, match=r"mine\.toml.*line 2"):
        load_recipe(path)
    path.write_text("[train]\nepoch = 3\n")
    with pytest.raises(UsageError, match=r"mine\.toml: train\.epoch: unknown key; .*'epochs'"):
        load_recipe(path)
    with pytest.raises(MissingError, match=r"gone\.toml"):
        load_recipe(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match="'mein_s'; did you mean 'mien_s'"):
        load_recipe("mein_s")


def test_every_knob_is_documented():
    for name, section in Recipe.model_fields.items():
        for knob, field in getattr(section.annotation, "model_fields", {}).items():
            assert field.description, f"{name}.{knob}"


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("mien_s").train.epochs = 3


def test_a_page_nested_too_deep_and_a_negative_seed_are_told(tmp_path):
    page = tmp_path / "deep.toml"
    page.write_text("a = " + "[" * 100_000 + "]" * 100_000)
    with pytest.raises(BadInputError, match=r"deep\.toml: "):
        load_recipe(page)
    with pytest.raises(UsageError, match=r"data\.split_seed"):
        load_recipe("logistic", ["data.split_seed=-1"])


@pytest.mark.parametrize("name", list_recipes())
def test_every_knob_of_a_shipped_recipe_does_something(name):
    recipe = load_recipe(name)
    # A report's colour jitter has saturation too, which does nothing to FER2013's grey faces.
    of_the_report = ["augment.saturation"] if name.startswith("emo") else []
    idle = recipe.without_effect(recipe.data.channels)
    assert [key for key in idle if key not in of_the_report] == []


@pytest.mark.parametrize(
    ("settings", "idle"),
    [
        (["augment.saturation=0.2"], ["augment.saturation"]),
        (["augment.photo.jpeg=0.4"], ["augment.photo.jpeg"]),
        (["augment.photo.faces=0.4"], ["augment.photo.faces"]),
        (["augment.photo.faces=0.4", "augment.photo.jpeg=0.4"], []),
        (["schedule.step_epochs=3", "schedule.warmup_fraction=0.1"], ["schedule.step_epochs"]),
        (["optimizer.name=rprop", "optimizer.momentum=0.5"], ["optimizer.momentum"]),
        (["optimizer.name=sgd", "optimizer.momentum=0.5"], []),
        (["data.train_split=all", "data.selection_split=test"], ["data.selection_split"]),
        (["schedule.step_epochs=15"], []),  # as it was: nothing was changed
    ],
)
def test_settings_without_effect_are_named(settings, idle):
    base = ["optimizer.muon_lr_factor=1.0"] if "optimizer" in settings[0] else []
    assert load_recipe("mien_s", [*base, *settings]).without_effect(channels=1) == idle
