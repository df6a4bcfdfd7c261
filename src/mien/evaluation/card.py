"""The model card: what a model folder's README says, written from its config alone.

It begins with the YAML head that model hubs read: library, task, tags, results
(https://huggingface.co/docs/hub/model-cards). It names no licence: that is for its maker to say.
"""

import json
from collections.abc import Mapping, Sequence

from mien.evaluation.metrics import ClassReport
from mien.evaluation.report import Report, read_report
from mien.evaluation.votes import VotesReport
from mien.model_folder import Int8Record, ModelConfig
from mien.text import markdown

_TASK = "image-classification"
_CARD = """\
{head}
# {title}

Reads the perceived expression of a face image. It says how a face looks to annotators of
pictures, never what a person feels.

| | |
|---|---|
| architecture | `{architecture}`, {parameters} parameters, {mmacs} million multiply-adds a face |
| classes | {labels} |
| input | uint8 `[N, {input_size}, {input_size}, {channels}]`: {seen} |
| output | calibrated logits `[N, {num_labels}]` (temperature {temperature:.3f} is inside) |
| trained on | {train_faces} faces, split '{train_split}' |
| selected on | {selection_faces} faces, split '{selection_split}' |
| epochs | {epoch} of {epochs}, seed {seed} |
| cost of training | {flop:.1e} FLOP, {minutes} minutes ({machine}) |
| data hash | `{data_hash}` |
| made with | {versions} |

{votes}On the selection split, n = {selection_faces}{own}. The interval is
Wilson's and holds chance in the faces alone, not in the training. The figures flatter a little, for
recipe, epoch and temperature were chosen on these faces.

| views of a face | accuracy | 95 % interval | balanced accuracy | log loss | calibration error |
|---|---|---|---|---|---|
{overall}

By expression, one view:

| expression | precision | recall | F1 | faces |
|---|---|---|---|---|
{per_class}

{int8}{measured}## Licence

The weights hold no picture. mien's licence, Apache 2.0, covers mien and the model that comes inside
it. FER2013's pictures were published for research; whose data may train a model for what use is for
its maker to settle.

## Limits

- Labels are other people's impressions of web pictures and many are wrong or disputed.
- Accuracy differs between expressions (above), and may between ages, skin tones, poses and cameras.
  {groups}
- Faces that are dark, blurred, small, turned or covered are read less well: `mien evaluate
  --corruptions` says how much less, `--end-to-end` what finding and cutting the faces costs.
- Faces must be framed as in training; `mien` cuts them that way.

## Out of scope

Judging what a person feels, thinks or intends; any decision about a person; use at work or in
education, where the European Union's AI Act prohibits inferring emotions (Article 5(1)(f)).
Elsewhere such systems are high-risk under that act, and people must be told (Article 50(3)).
"""


NO_GROUPS = (
    "This was not measured, for the\n  data does not say who these people are; "
    "`mien evaluate --groups` measures it."
)


def model_card(config: ModelConfig, measured: str = "", groups: str = NO_GROUPS) -> str:
    """Returns the model card as Markdown; the config's training record must have a report.

    Args:
        config: The model's.
        measured: What else was measured, as Markdown; `measured_card` has it.
        groups: What is known of differences between groups of people.
    """
    record = config.training
    reports = [read_report(each) for each in (record.selection, record.selection_tta) if each]
    crop = config.input_size < config.face_size
    part = f"the middle of a {config.face_size} px face" if crop else "the whole face"
    return _CARD.format(
        head=_head(config, reports),
        title=f"Model card: {config.architecture}",
        architecture=config.architecture,
        parameters=f"{record.parameters:,}",
        mmacs=f"{record.mmacs:.1f}",
        labels=", ".join(map(markdown, config.labels)),
        input_size=config.input_size,
        channels=config.channels,
        seen=f"{part}, {'grey' if config.channels == 1 else 'RGB'}",
        num_labels=len(config.labels),
        temperature=config.temperature,
        train_faces=f"{record.train_faces:,}",
        train_split=markdown(record.train_split),
        selection_faces=f"{record.selection_faces:,}",
        selection_split=markdown(record.selection_split),
        epoch=record.epoch,
        epochs=record.setting("train.epochs"),
        flop=record.training_flop,
        machine=record.machine,
        seed=record.setting("train.seed"),
        minutes=f"{record.minutes:.0f}",
        data_hash=record.data_hash,
        versions=", ".join(f"{name} {value}" for name, value in record.versions.items()),
        votes=_votes(reports),
        own=", against FER2013's own labels" if reports[0].votes else "",
        overall="\n".join(_overall(each, each.num_views, each.log_loss) for each in reports),
        per_class=_class_rows(reports[0].per_class),
        int8=_int8(reports, record.int8),
        measured=measured,
        groups=groups,
    )


_INT8 = """\
## Two networks

`model.onnx` computes with float32; all figures above are its. `model_int8.onnx` computes its
convolutions with 8-bit integers, whose ranges were taken on {record.calibration_faces} training
faces. It is several times as fast on processors made for that, and is what reads pictures there.
Both give the same answer for {record.same_answers:.2%} of the selection faces, one view of each.

| {truth} | views of a face | accuracy | log loss |
|---|---|---|---|
{rows}

"""


def _int8(reports: Sequence[Report], record: Int8Record | None) -> str:
    """Returns the card's part on the int8 network; empty where there is none."""
    if record is None:
        return ""
    fast = [read_report(each) for each in (record.selection, record.selection_tta)]
    rows = []
    for name, group in (("float32", reports), ("int8", fast)):
        for report in group:
            votes = report.votes
            accuracy = votes.accuracy if votes else report.accuracy
            loss = votes.cross_entropy if votes else report.log_loss
            rows.append(f"| {name} | {report.num_views} | {accuracy:.2%} | {loss:.4f} |")
    truth = "against the annotators" if reports[0].votes else "network"
    return _INT8.format(record=record, truth=truth, rows="\n".join(rows))


def _head(config: ModelConfig, reports: Sequence[Report]) -> str:
    """Returns the YAML head; each value is written as JSON, which is YAML too."""
    first = reports[0]
    figures: list[tuple[str, str, float]] = []
    if first.votes:
        figures += [
            ("accuracy", "accuracy, annotators' majority", first.votes.accuracy),
            ("balanced_accuracy", "balanced accuracy, majority", first.votes.balanced_accuracy),
            ("cross_entropy", "cross-entropy to the votes", first.votes.cross_entropy),
        ]
    figures += [
        ("accuracy", "accuracy, own labels", first.accuracy),
        ("f1", "macro F1, own labels", first.macro_f1),
        ("log_loss", "log loss, own labels", first.log_loss),
    ]
    split = config.training.selection_split
    result = {
        "task": {"type": _TASK, "name": "Facial expression recognition"},
        "dataset": {"type": _TASK, "name": split, "split": split},
        "metrics": [
            {"type": kind, "name": name, "value": round(value, 4)} for kind, name, value in figures
        ],
    }
    lines = (
        "library_name: mien",
        f"pipeline_tag: {_TASK}",
        f"tags: {json.dumps(['facial-expression-recognition', 'onnx', config.architecture])}",
        f"model-index: {json.dumps([{'name': config.architecture, 'results': [result]}])}",
    )
    return "\n".join(("---", *lines, "---"))


def _overall(report: Report | VotesReport, num_views: int, loss: float) -> str:
    return (
        f"| {num_views} | **{report.accuracy:.2%}** | {interval(report.accuracy_ci95)} "
        f"| {report.balanced_accuracy:.2%} | {loss:.4f} | {report.ece:.4f} |"
    )


_VOTES = """\
## What annotators say

It was taught by the votes of FER+'s annotators, ten for each face, and is held against them here:
on {num_faces:,} faces of the selection split whose annotators agree on one of its expressions
({num_undecided} are undecided, {num_contempt} mostly called contempt, {num_unknown} mostly unknown
or no face). The intervals are Wilson's, of 95 %.

**False alarms.** Of {num_clear_neutral} faces that at least eight of ten annotators call neutral,
one view of each, it reads as

| expression | faces | share | 95 % interval |
|---|---|---|---|
{alarms}

| views of a face | majority read | 95 % interval | balanced accuracy | cross-entropy to the votes \
| calibration error |
|---|---|---|---|---|---|
{overall}

The votes' own entropy is {vote_entropy:.4f}: no model can have a lower cross-entropy. The
calibration error is the mean gap between the probability of a decision and the share of the votes
for it.

| expression, by majority | precision | recall | F1 | faces |
|---|---|---|---|---|
{per_class}

## FER2013's labels

FER2013's own label is the word that a picture was found by on the web; it is what the majority says
for {label_agreement:.1%} of the faces above.

"""


def _votes(reports: Sequence[Report]) -> str:
    """Returns the card's part on annotators; empty for a model that was not selected by them."""
    votes = reports[0].votes
    if votes is None:
        return ""
    shares = {markdown(name): share for name, share in votes.false_alarms.items()}
    if votes.read_neutral:
        others = f"*of {votes.num_clear_expression:,} with another clear expression: neutral*"
        shares[others] = votes.read_neutral
    return _VOTES.format(
        **vars(votes) | {"per_class": _class_rows(votes.per_class)},
        alarms="\n".join(
            f"| {name} | {share.count} | {share.share:.2%} | {interval(share.ci95)} |"
            for name, share in shares.items()
        ),
        overall="\n".join(
            _overall(report.votes, report.num_views, report.votes.cross_entropy)
            for report in reports
            if report.votes
        ),
    )


def interval(ends: Sequence[float]) -> str:
    """Returns the two ends of an interval of shares, in per cent."""
    return f"{ends[0]:.2%} to {ends[1]:.2%}"


def _class_rows(per_class: Mapping[str, ClassReport]) -> str:
    return "\n".join(
        f"| {markdown(name)} | {row.precision:.3f} | {row.recall:.3f} | {row.f1:.3f} "
        f"| {row.support} |"
        for name, row in per_class.items()
    )
