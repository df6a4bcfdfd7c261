"""Pages and code say the same: figures in prose come from the records, or are compared here."""

import inspect
import re
import sys
from pathlib import Path

import pytest
import yaml

from mien.evaluation.card import model_card
from mien.explanation.saliency import integrated_gradients
from mien.model_folder import PRETRAINED, read_config, resolve
from mien.serving.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def accuracy():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import accuracy

        yield accuracy
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def test_the_readmes_table_is_what_the_models_inside_say_of_themselves(accuracy):
    assert accuracy.readme_part() in (ROOT / "README.md").read_text()


def test_the_page_of_accuracies_is_what_the_records_give(accuracy):
    groups, voted = accuracy.read_runs()
    page = accuracy.page(groups) + accuracy.votes_page(voted)
    assert (ROOT / "docs" / "accuracy.md").read_text() == page


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_card_is_what_its_config_gives(name):
    folder = resolve(name)
    config = read_config(folder)
    card = (folder / "README.md").read_text()
    assert card == model_card(config)
    head = yaml.safe_load(card.split("---\n")[1])  # what model hubs read
    (result,) = head["model-index"][0]["results"]
    figures = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert config.training.selection is not None
    assert figures["accuracy, own labels"] == round(config.training.selection["accuracy"], 4)
    assert (result["dataset"]["split"], head["library_name"]) == ("PublicTest", "mien")


def test_figures_in_prose_are_the_codes():
    explain = (ROOT / "docs" / "explain.md").read_text()
    steps = inspect.signature(integrated_gradients).parameters["num_steps"].default
    assert set(re.findall(r"sum over (\d+)", explain)) == {str(steps)}
    serve, settings = (ROOT / "docs" / "serve.md").read_text(), Settings()
    for words in (
        f"{settings.max_bytes // 1_000_000} MB |",
        f"{settings.max_pixels // 1_000_000} megapixels together",
        f"| {settings.max_faces}, the most certain |",
        f"| pictures in a request | {settings.max_files} |",
        f"| {settings.max_clients}; then 429",
        f"{settings.decode_seconds:g} s and {settings.decode_megabytes} MB",
        f"closed after {settings.idle_seconds:g} s",
    ):
        assert words in serve
