"""What mien's own recipes may cost: training FLOP on FER2013's 28,709 Training faces."""

from types import SimpleNamespace
from typing import cast

import pytest

from mien.models import count_macs, create_model
from mien.recipes import load_recipe
from mien.training.loop import view_size
from mien.training.state import TrainingState

NUM_FACES = 28_709


@pytest.mark.parametrize(("name", "budget"), [("mien_s", 4e14), ("mien_m", 2e15)])
def test_training_stays_within_its_budget(name, budget):
    recipe = load_recipe(name)
    state = cast(TrainingState, SimpleNamespace(recipe=recipe))
    net = create_model(name, 7, **recipe.model.options)
    sizes = [view_size(state, epoch) for epoch in range(1, recipe.train.epochs + 1)]
    macs = {size: count_macs(net, 1, size) for size in set(sizes)}
    flop = sum(6 * macs[size] * NUM_FACES for size in sizes)
    assert budget / 4 < flop <= budget
