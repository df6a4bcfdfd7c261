"""The data card: what a labelled set holds, and what is wrong with it, as Markdown.

It begins with the YAML head that hubs of data sets read
(https://huggingface.co/docs/hub/datasets-cards). It names no licence: that is for its maker to say.
"""

import json

import numpy as np

from mien.audit.auditing import Audit
from mien.text import markdown

_CARD = """\
---
pretty_name: {quoted}
task_categories: ["image-classification"]
tags: ["facial-expression-recognition"]
size_categories: [{size}]
---
# Data card: {name}

{num_faces:,} face images of {side}x{side} pixels, {colours}; written by `mien data audit`.

{classes}

## What is wrong with it

Twins are pictures that are the same, exactly or nearly (correlation .95 or more), mirrored too.
Labels are called likely wrong by confident learning (Northcutt et al. 2021), from probabilities
out of fold; that is a suspicion, not a verdict.

{findings}

{groups:,} groups of identical pictures, {across:,} of them across splits, {labels:,} with several
labels; {twin_groups:,} groups of twins, {twin_across:,} across splits, {twin_labels:,} with several
labels.

## Whose faces

No column says how old these people are, of what gender, origin or skin tone, so nothing is known of
how well each group is represented, or read. `mien evaluate --groups table.csv` takes such a table.

## Licence

mien does not know who made these pictures, who is in them, or under what terms they may be used;
settle that before you train, publish or sell anything made with them. FER2013's were found by web
search and published for research (Goodfellow et al. 2013).

## Out of scope

The labels say how faces look to others, never what a person feels, thinks or intends.
"""
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}


def data_card(audit: Audit, data_name: str) -> str:
    """Returns the data card of an audited set.

    Args:
        audit: What was found.
        data_name: What the set is called.

    Example:
        >>> from mien.audit import audit, data_card
        >>> from mien.data import read
        >>> card = data_card(audit(read("faces.csv"), model=None), "faces.csv")
        >>> card.splitlines()[1]
        'pretty_name: "faces.csv"'
    """
    faces = audit.faces
    identical, twins = audit.groups(audit.identical), audit.groups(audit.group)
    size = next((name for most, name in _SIZES.items() if len(faces) < most), "n>1M")
    found = {name.replace("_", " "): mask for name, mask in audit.findings.items()}
    return _CARD.format(
        quoted=json.dumps(data_name),
        size=json.dumps(size),
        name=markdown(data_name),
        num_faces=len(faces),
        side=faces.face_size,
        colours="grey" if faces.images.ndim == 3 else "RGB",
        classes=_class_table(audit),
        findings=_table(audit, "finding", found),
        groups=identical.num_groups,
        across=identical.num_across_splits,
        labels=identical.num_other_label,
        twin_groups=twins.num_groups,
        twin_across=twins.num_across_splits,
        twin_labels=twins.num_other_label,
    )


def _class_table(audit: Audit) -> str:
    labels = audit.faces.labels
    if labels is None:
        return "The faces have no labels."
    names = audit.faces.label_names
    return _table(audit, "label", {name: labels == place for place, name in enumerate(names)})


def _table(audit: Audit, head: str, masks: dict[str, np.ndarray]) -> str:
    """Returns how many faces each mask has, in all and by split."""
    splits = audit.faces.split_names
    lines = [
        f"| {' | '.join([head, 'all', *map(markdown, splits)])} |",
        f"|{'---|' * (2 + len(splits))}",
    ]
    for name, mask in masks.items():
        count = audit.count(mask)
        cells = [count["total"], *(count["by_split"][split] for split in splits)]
        lines.append(f"| {markdown(name)} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    return "\n".join(lines)
