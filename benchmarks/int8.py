"""What the int8 networks cost and bring: docs/int8.md.

    python benchmarks/int8.py --data fer2013.csv --votes fer2013new.csv

Both networks of each model inside are measured on PublicTest, and timed in turns in one process.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import numpy as np

from mien import Classifier
from mien.evaluation import Evaluation, collect, read_for_model
from mien.model_folder import NETWORK, NETWORK_INT8, PRETRAINED
from mien.views import centre_crop

PAGE = Path(__file__).parents[1] / "docs" / "int8.md"
SPLIT = "PublicTest"
BATCHES = {1: 60, 64: 10}
"""Faces at once, and how often each network is timed with so many."""
CARD = dict.fromkeys(("default", "xs"), "of the annotators' majority")
CARD["fer2013"] = "of FER2013's labels"

HEAD = """\
# Networks with 8-bit integers

A model folder can hold two networks: `model.onnx`, float32, and `model_int8.onnx`, whose
convolutions take 8-bit integers. The models inside have both.

What reads pictures (`mien predict`, `serve`, `live`, `Analyzer`, `Classifier`) takes int8 where the
processor is quick at it: x86 with VNNI (`avx512_vnni` or `avx_vnni` in Linux's `/proc/cpuinfo`),
ARM with dot products (`asimddp`), Apple's own. On other processors, on Windows and on GPUs it takes
float32. `--precision float32` and `int8` choose by hand. Only x86 with VNNI was measured.

`mien evaluate` takes float32 unless told otherwise, so its figures are those of the model card,
which has int8's beside them. The column `model` of every table begins the SHA-256 of the network
that ran.

The choice follows from the processor's flags, not from a timing at start: the same command then
gives the same rows each time.

On {split}, which chose epoch and temperature of both; loss is the cross-entropy to the truth:

| model | truth | views | float32 % | int8 % | difference | loss float32 | loss int8 | same answer |
|---|---|---|---|---|---|---|---|---|
"""

SPEED = """
Milliseconds of processor time a face on one thread, medians, both networks in turns in one process,
other work beside them; the factor is the median of the pairs' ratios ({machine}):

| model | faces at once | float32 | int8 | faster | file float32 | file int8 |
|---|---|---|---|---|---|---|
"""

FOOT = """
    python benchmarks/int8.py --data fer2013.csv --votes fer2013new.csv

## How they are made

    mien export default --int8 --data fer2013.csv --votes fer2013new.csv --output DIR
    mien export fer2013 --int8 --half --data fer2013.csv --output DIR

or `mien export RUN --int8` from a run. It is ONNX Runtime's static quantisation: signed weights
with a scale for each output channel, unsigned activations with a scale for each tensor, from the
least to the greatest value on 448 training faces. All but convolutions over more than one pixel
stays float32. The temperature is fitted anew on the selection faces.

`fer2013`'s float32 weights are rounded to half precision (`--half`) to make room in the package. No
answer of one view changed by that.

The range of 1,024 faces, the 99.99th percentile, float32 in the first convolution, 8-bit sums of
branches and one scale for all channels were tried too: nothing beyond chance. Weights of 7 bits
(`reduce_range`) lost more. They would be exact on x86 without VNNI, where sums of two products
saturate at 16 bits, but there float32 is taken anyway, and `--precision int8` warns. Signed
activations were as accurate but slower than float32.
"""


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv")
    parser.add_argument("--votes", type=Path, required=True, help="fer2013new.csv")
    options = parser.parse_args()
    rows, times = [], []
    for model in PRETRAINED:
        exact, fast = (Classifier(model, 1, name, "cpu") for name in ("float32", "int8"))
        votes = options.votes if "annotators" in CARD[model] else None
        faces = read_for_model(exact.config, options.data, SPLIT, votes=votes).faces
        for tta in (False, True):
            pair = [collect(each, faces, tta) for each in (exact, fast)]
            rows.append(row(model, exact.num_views(tta), *pair))
        views = centre_crop(faces.images, exact.config.input_size)[..., None]
        sizes = [(exact.folder / name).stat().st_size / 1e6 for name in (NETWORK, NETWORK_INT8)]
        files = " | ".join(f"{size:.1f} MB" for size in sizes)
        for count, num_pairs in BATCHES.items():
            slow, quick, ratio = timed(exact, fast, views[:count], num_pairs)
            times.append(
                f"| {model} | {count} | {slow:.2f} | {quick:.2f} | {ratio:.2f}x | {files} |"
            )
    page = HEAD.format(split=SPLIT) + "\n".join(rows) + "\n" + SPEED.format(machine=processor())
    PAGE.write_text(page + "\n".join(times) + "\n" + FOOT.format(split=SPLIT))
    print(PAGE.read_text())


def row(model: str, num_views: int, exact: Evaluation, fast: Evaluation) -> str:
    """Returns the line of a model's two networks on the same faces."""
    reports = [each.report.votes or each.report for each in (exact, fast)]
    losses = [
        each.report.votes.cross_entropy if each.report.votes else each.report.log_loss
        for each in (exact, fast)
    ]
    first, second = (100 * report.accuracy for report in reports)
    same = (exact.logits.argmax(1) == fast.logits.argmax(1)).mean()
    return (
        f"| {model} | {CARD[model]} | {num_views} | {first:.2f} | {second:.2f} "
        f"| {second - first:+.2f} | {losses[0]:.4f} | {losses[1]:.4f} | {same:.2%} |"
    )


def timed(
    exact: Classifier, fast: Classifier, views: np.ndarray, num_pairs: int
) -> tuple[float, float, float]:
    """Returns milliseconds a face of both, and how many times as fast the second is."""
    pairs = []
    for _ in range(num_pairs):
        seconds = []
        for classifier in (exact, fast):
            classifier.run(views)  # so that its weights are in the cache
            start = time.process_time()
            classifier.run(views)
            seconds.append(time.process_time() - start)
        pairs.append(seconds)
    slow, quick = (
        statistics.median(column) * 1e3 / len(views) for column in zip(*pairs, strict=True)
    )
    return slow, quick, statistics.median(first / second for first, second in pairs)


def processor() -> str:
    """Returns the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
