"""The model card: what a model folder's README says, written from its config alone."""

from typing import Any

from mien.model_folder import ModelConfig

_CARD = """\
# {title}

Reads the perceived expression of a face image. It says how a face looks to annotators of
pictures, never what a person feels.

| | |
|---|---|
| architecture | `{architecture}`, {parameters} parameters, {mmacs} million multiply-adds a face |
| classes | {labels} |
| input | uint8 `[N, {input_size}, {input_size}, {channels}]`: {seen} |
| output | calibrated logits `[N, {num_labels}]` (temperature {temperature:.3f} is inside) |
| trained on | {train_faces} faces, split {train_split!r} |
| selected on | {selection_faces} faces, split {selection_split!r} |
| epochs | {epoch} of {epochs}, seed {seed} |
| cost of training | {flop:.1e} FLOP, {minutes} minutes ({machine}) |
| data hash | `{data_hash}` |
| made with | {versions} |

On the selection split, n = {selection_faces}. The interval is Wilson's and holds chance in the
faces alone, not in the training. The figures flatter a little, for recipe, epoch and temperature
were chosen on these faces.

| views of a face | accuracy | 95 % interval | balanced accuracy | log loss | calibration error |
|---|---|---|---|---|---|
{overall}

By expression, one view:

| expression | precision | recall | F1 | faces |
|---|---|---|---|---|
{per_class}

## Licence

The weights hold no picture. mien's licence, Apache 2.0, covers mien and the model that comes inside
it. FER2013's pictures were published for research; whose data may train a model for what use is for
its maker to settle.

## Limits

- Labels are other people's impressions of web pictures and many are wrong or disputed.
- Accuracy differs between expressions (above), and may between ages, skin tones, poses and cameras;
  this was not measured. Measure on your own faces before you rely on it.
- Faces must be framed as in training; `mien` cuts them that way.

## Out of scope

Judging what a person feels, thinks or intends; any decision about a person; use at work or in
education, where the European Union's AI Act prohibits inferring emotions (Article 5(1)(f)).
Elsewhere such systems are high-risk under that act, and people must be told (Article 50(3)).
"""


def model_card(config: ModelConfig) -> str:
    """Returns the model card as Markdown."""
    record = config.training
    report = record["selection"]
    rows = [
        f"| {name} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} "
        f"| {row['support']} |"
        for name, row in report["per_class"].items()
    ]
    crop = config.input_size < config.face_size
    part = f"the middle of a {config.face_size} px face" if crop else "the whole face"
    return _CARD.format(
        title=f"Model card: {config.architecture}",
        architecture=config.architecture,
        parameters=f"{record['parameters']:,}",
        mmacs=f"{record['mmacs']:.1f}",
        labels=", ".join(config.labels),
        input_size=config.input_size,
        channels=config.channels,
        seen=f"{part}, {'grey' if config.channels == 1 else 'RGB'}",
        num_labels=len(config.labels),
        temperature=config.temperature,
        train_faces=f"{record['train_faces']:,}",
        train_split=record["train_split"],
        selection_faces=f"{record['selection_faces']:,}",
        selection_split=record["selection_split"],
        epoch=record["epoch"],
        epochs=record["recipe"]["train"]["epochs"],
        flop=record["training_flop"],
        machine=record["machine"],
        seed=record["recipe"]["train"]["seed"],
        minutes=f"{record['minutes']:.0f}",
        data_hash=record["data_hash"],
        versions=", ".join(f"{name} {value}" for name, value in record["versions"].items()),
        overall="\n".join(
            _overall(record[key]) for key in ("selection", "selection_tta") if key in record
        ),
        per_class="\n".join(rows),
    )


def _overall(report: dict[str, Any]) -> str:
    low, high = report["accuracy_ci95"]
    return (
        f"| {report['num_views']} | **{report['accuracy']:.2%}** | {low:.2%} to {high:.2%} "
        f"| {report['balanced_accuracy']:.2%} | {report['log_loss']:.4f} | {report['ece']:.4f} |"
    )
