import warnings

import pytest
import torch

from mien.recipes.recipe import Optimizer, Schedule
from mien.training.averaging import Average
from mien.training.optimizers import OPTIMIZERS, build_optimizer, learning_rate, num_plateaus


@pytest.mark.parametrize("anneal", ["cosine", "linear"])
@pytest.mark.parametrize(
    ("steps", "epochs", "warmup", "final"), [(7, 5, 0.3, 4e-6), (225, 30, 0.1, 0.2)]
)
def test_one_cycle_is_torchs(anneal, steps, epochs, warmup, final):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            0.1,
            total_steps=steps * epochs,
            pct_start=warmup,
            anneal_strategy="cos" if anneal == "cosine" else "linear",
            cycle_momentum=False,
            final_div_factor=1 / 25 / final,
        )
        expected = []
        for _ in range(steps * epochs):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(expected) < steps * epochs:
                theirs.step()
    knobs = Schedule(name="one_cycle", warmup_fraction=warmup, anneal=anneal, final_fraction=final)
    ours = [learning_rate(knobs, 0.1, step, steps, epochs) for step in range(steps * epochs)]
    assert ours == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_step_cuts_every_k_epochs():
    knobs = Schedule(name="step", step_epochs=15, step_factor=0.1)
    rates = [learning_rate(knobs, 1e-3, epoch * 23, 23, 45) for epoch in (0, 14, 15, 29, 30, 44)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    assert learning_rate(knobs, 1e-3, 15 * 23 - 1, 23, 45) == pytest.approx(1e-3)


def test_cosine_and_constant():
    cosine = Schedule(name="cosine")
    assert learning_rate(cosine, 0.2, 0, 10, 4) == 0.2
    assert learning_rate(cosine, 0.2, 20, 10, 4) == pytest.approx(0.1)
    assert 0 < learning_rate(cosine, 0.2, 39, 10, 4) < 0.001
    assert learning_rate(Schedule(), 0.2, 39, 10, 4) == 0.2


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weight_decay_spares_biases_and_batch_norm(name):
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = build_optimizer(net, Optimizer(name=name, lr=0.1, weight_decay=0.5))
    decays = {
        parameter: group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert decays == {net[0].weight: 0.5, net[0].bias: 0.0, net[1].weight: 0.0, net[1].bias: 0.0}


def test_sgd_takes_nesterovs_step():
    # By hand, w = 1, gradient 1 each time, lr .1, momentum .9: v = 1 then 1.9;
    # steps of g + .9 v: 1.9, 2.71 -> w = 1 - .19 - .271.
    parameter = torch.nn.Parameter(torch.ones(1, 1))
    net = torch.nn.Module()
    net.weight = parameter
    optimizer = build_optimizer(net, Optimizer(name="sgd", lr=0.1))
    for _ in range(2):
        parameter.grad = torch.ones(1, 1)
        optimizer.step()
    assert parameter.item() == pytest.approx(1 - 0.19 - 0.271)


def test_average_follows_weights_and_statistics_but_copies_counters():
    net = torch.nn.BatchNorm1d(1)
    average = Average(net, decay=0.5)
    with torch.no_grad():
        net.weight.fill_(3.0)
        net.running_mean.fill_(8.0)
        net.num_batches_tracked.fill_(4)
    average.update(net)  # t = 1: decay min(.5, 2 / 11)
    assert average.net.weight.item() == pytest.approx(1 + 2 * (9 / 11))
    assert average.net.running_mean.item() == pytest.approx(8 * 9 / 11)
    assert average.net.num_batches_tracked.item() == 4
    for _ in range(50):
        average.update(net)
    assert average.net.weight.item() == pytest.approx(3.0)
    assert average.num_updates == 51


def test_the_seven_optimisers_of_report_d_adamw_and_muon():
    assert OPTIMIZERS.keys() == {
        "adam", "adamax", "adagrad", "sgd", "asgd", "rmsprop", "rprop", "adamw", "muon",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimiser_goes_downhill(name):
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 1)
    images = torch.randn(64, 4)
    targets = images @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
    optimizer = build_optimizer(net, Optimizer(name=name, lr=0.02))
    assert type(optimizer).__name__.lower() == name

    def loss():
        return (net(images) - targets).square().mean()

    before = loss().item()
    for _ in range(60):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < 0.9 * before


def test_muon_turns_kernels_by_equal_amounts_in_every_direction():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3, bias=False), torch.nn.BatchNorm2d(8))
    start = net[0].weight.detach().clone() * 8**0.5 / net[0].weight.norm()
    knobs = Optimizer(name="muon", lr=0.1, muon_lr_factor=0.5, momentum=0.0)
    optimizer = build_optimizer(net, knobs)
    for group in optimizer.param_groups:
        group["lr"] *= group["lr_factor"]
    net(torch.randn(16, 4, 9, 9)).pow(3).mean().backward()
    gradient = net[0].weight.grad.flatten(1)
    norms = net[1].weight.detach().clone(), net[1].weight.grad.clone()
    optimizer.step()
    step = (start - net[0].weight.detach()).flatten(1) / 0.05
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    lengths = (left.T @ step @ right.T).diagonal()  # along the gradient's singular directions
    assert lengths.min() > 0.5
    assert lengths.max() < 1.3
    torch.testing.assert_close(net[1].weight.detach(), norms[0] - 0.1 * norms[1])  # SGD


def test_plateaus_are_counted_as_torch_counts_them():
    losses = [3, 2, 2.5, 2.4, 2.3, 1.9, 2, 2, 2, 2, 2, 2, 1.8, 1.9]
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.1, patience=2, threshold=0.0
    )
    for number, loss in enumerate(losses, 1):
        theirs.step(loss)
        ours = 0.1 ** num_plateaus(losses[:number], 3)  # torch cuts after patience + 1
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"])


def test_the_rate_on_plateau_follows_the_losses():
    knobs = Schedule(name="plateau", step_epochs=2, step_factor=0.5)
    assert learning_rate(knobs, 0.4, 0, 10, 30) == 0.4
    assert learning_rate(knobs, 0.4, 50, 10, 30, [1, 2, 2]) == pytest.approx(0.2)
    assert learning_rate(knobs, 0.4, 50, 10, 30, [1, 2, 2, 2, 2]) == pytest.approx(0.1)
