"""Faces per second in training: mien's loop, the reports' plain recipe, and the machine's limit.

    python benchmarks/train_step.py [--recipe mien_m] [--steps 12] [--repeats 3]

Prints docs/train-step.md's tables. Each figure is the median over processes of their own, run in
turns; faces are random pixels in FER2013's size, the arithmetic is the same. "Plain" is the usual
loop of the reports: a DataLoader with torchvision's transforms on PIL images, contiguous tensors,
the optimiser as it comes; it may choose its best number of workers. Run it on an idle machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

os.environ["OMP_WAIT_POLICY"] = "passive"

CHILD = "--child"
SIDE, NUM_CLASSES, WARM = 48, 7, 3
KINDS = ("plain-0", "plain-1", "plain-2", "mien", "mien-bf16", "matmul", "convolutions")
RESNET9_EPOCHS, RESNET9_FLOP_PER_FACE = 30, 6 * 1.871e9
TRAINING_FACES = 28_709
TARGET = 0.65
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Prints the tables, as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--recipe", default="mien_m")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(CHILD, choices=(*KINDS, "resnet9"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.recipe, options.steps)))
        return
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.repeats):
        for kind in KINDS:
            found[kind].append(in_a_process(kind, options))
            print(f"{kind} {found[kind][-1]:.4g}", file=sys.stderr)
    value = {kind: statistics.median(values) for kind, values in found.items()}
    report(value, in_a_process("resnet9", options), options.recipe)


def in_a_process(kind: str, options: argparse.Namespace) -> float:
    """Returns a child's figure."""
    words = [sys.executable, __file__, CHILD, kind]
    words += ["--recipe", options.recipe, "--steps", str(options.steps)]
    return float(subprocess.run(words, check=True, capture_output=True).stdout)


def report(value: dict[str, float], resnet9: float, recipe: str) -> None:
    """Prints the tables."""
    from mien.recipes import list_recipes

    flop = 6 * macs(recipe)
    workers, plain = max((value[f"plain-{n}"], n) for n in range(3))[::-1]
    limit = value["matmul"]
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{platform.machine()}, {cores} cores, load at the end {load:.1f}; {recipe}, batch 128\n")
    print("| training | faces/s | GFLOP/s | against plain |")
    print("|---|---|---|---|")
    rows = {
        f"plain recipe, best of 0-2 workers ({workers})": plain,
        "mien, float32": value["mien"],
        "mien, bfloat16": value["mien-bf16"],
    }
    for name, speed in rows.items():
        print(f"| {name} | {speed:.0f} | {speed * flop / 1e9:.0f} | {speed / plain:.2f}x |")
    print("\n| arithmetic, float32 | GFLOP/s | of the matrix product |")
    print("|---|---|---|")
    for name, speed in (
        ("matrix product, 2,048 x 2,048", limit),
        (f"{recipe}'s convolutions, forward and backward", value["convolutions"]),
        (f"mien training {recipe}, everything", value["mien"] * flop),
    ):
        print(f"| {name} | {speed / 1e9:.0f} | {speed / limit:.0%} |")
    hours = RESNET9_EPOCHS * TRAINING_FACES / resnet9 / 3600
    print(
        f"\nReport B's ResNet9 under the plain recipe: {resnet9:.1f} faces/s measured, so "
        f"{hours:.1f} hours for its 30 epochs (extrapolated)."
    )
    for run in sorted((ROOT / "docs" / "runs").glob("mien_*")):
        minutes = minutes_to_target(run)
        if minutes and run.name.rsplit("-", 1)[0] in list_recipes():  # not the trials
            print(
                f"{run.name} reached {TARGET:.0%} on PublicTest after {minutes:.1f} minutes: "
                f"{hours * 60 / minutes:.0f}x sooner than ResNet9's 30 epochs, "
                f"{hours * 30 / minutes:.0f}x sooner than 15 (the report gives no curve)."
            )


def minutes_to_target(run: Path) -> float | None:
    """Returns the minutes of training until the accuracy was first reached, from its record."""
    seconds = 0.0
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        seconds += record["seconds"]
        if record["accuracy"] >= TARGET:
            return seconds / 60
    return None


def macs(recipe: str) -> int:
    """Returns the multiply-adds of a recipe's network at full size."""
    from mien.models import count_macs, create_model
    from mien.recipes import load_recipe

    page = load_recipe(recipe)
    return count_macs(create_model(page.model.name, NUM_CLASSES), 1, page.data.input_size)


def measure(kind: str, recipe: str, steps: int) -> float:
    """Returns faces per second; of the arithmetic alone, FLOP per second."""
    if kind == "matmul":
        return matrix_product()
    if kind == "convolutions":
        return convolutions(recipe, steps)
    if kind.startswith("plain"):
        return plain(recipe, steps, int(kind[-1]))
    if kind == "resnet9":
        return plain("resnet9", 3, 0)
    return mien(recipe, steps, "bfloat16" if kind.endswith("bf16") else "float32")


def faces(count: int) -> "tuple":
    """Returns random faces uint8 `[N, 48, 48]` and labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, SIDE, SIDE), np.uint8)
    return images, rng.integers(0, NUM_CLASSES, count)


def mien(recipe: str, steps: int, precision: str) -> float:
    """Mien's own loop, at full size."""
    import numpy as np

    from mien.memory import reuse_freed_memory

    reuse_freed_memory()
    from mien.data import FaceSet
    from mien.labels import EXPRESSIONS
    from mien.recipes import load_recipe
    from mien.training.loop import epochs
    from mien.training.state import start

    settings = ["train.epochs=2", "train.sizes=[]", f"train.precision={precision}"]
    page = load_recipe(recipe, settings)
    images, labels = faces(steps * page.train.batch_size)
    rows = np.arange(len(images))
    learnt = FaceSet(images, labels, EXPRESSIONS, rows=rows, sources=("random",))
    records = list(epochs(start(page, learnt, learnt.take(np.arange(8)))))
    speed = records[-1].faces_per_second
    assert speed
    return speed


def plain(recipe: str, steps: int, workers: int) -> float:
    """The reports' loop around the same network."""
    import torch
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    from mien.models import architecture, create_model
    from mien.recipes import load_recipe

    page = load_recipe(recipe)
    batch = page.train.batch_size
    images, labels = faces((steps + WARM) * batch)
    change = transforms.Compose(
        [
            transforms.ToPILImage(),
            transforms.RandomCrop(page.data.input_size, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.5], [0.5]),
        ]
    )

    class Faces(Dataset):
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> tuple:
            return change(images[index]), int(labels[index])

    options = {"input_size": page.data.input_size, "in_channels": 1}
    net = create_model(page.model.name, NUM_CLASSES, **options).train()
    assert architecture(page.model.name).channels == 1
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, nesterov=True)
    started = time.perf_counter()
    loader = DataLoader(Faces(), batch, shuffle=True, num_workers=workers)
    for step, (views, targets) in enumerate(loader):
        if step == WARM:
            started = time.perf_counter()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(views), targets)
        loss.backward()
        optimizer.step()
        loss.item()
    return steps * batch / (time.perf_counter() - started)


def matrix_product() -> float:
    """FLOP per second of a float32 matrix product."""
    import torch

    matrix = torch.randn(2048, 2048)
    for _ in range(3):
        matrix @ matrix
    started, count = time.perf_counter(), 12
    for _ in range(count):
        matrix @ matrix
    return count * 2 * 2048**3 / (time.perf_counter() - started)


def convolutions(recipe: str, steps: int) -> float:
    """FLOP per second of a net's 3x3 convolutions alone, forward and both backward products."""
    import torch
    from torch import nn

    from mien.memory import reuse_freed_memory
    from mien.models import create_model
    from mien.recipes import load_recipe

    reuse_freed_memory()
    page = load_recipe(recipe)
    net = create_model(page.model.name, NUM_CLASSES).eval()
    shapes: list[tuple[nn.Conv2d, torch.Size]] = []

    def note(module: nn.Module, inputs: tuple, _: object) -> None:
        assert isinstance(module, nn.Conv2d)
        shapes.append((module, inputs[0].shape))

    for module in net.modules():
        three = isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
        if three and module.in_channels > 1:
            module.register_forward_hook(note)
    side, batch = page.data.input_size, page.train.batch_size
    with torch.no_grad():
        net(torch.zeros(1, 1, side, side))
    found = list(shapes)
    total_flop = total_seconds = 0.0
    for module, shape in found:
        module._forward_hooks.clear()
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.randn(batch, *shape[1:]).contiguous(memory_format=torch.channels_last)
        images.requires_grad_()
        for step in range(steps + WARM):
            if step == WARM:
                started = time.perf_counter()
            output = module(images)
            output.backward(torch.ones_like(output))
        total_seconds += time.perf_counter() - started
        total_flop += steps * 6 * output.numel() * module.in_channels * 9
    return total_flop / total_seconds


if __name__ == "__main__":
    main()
