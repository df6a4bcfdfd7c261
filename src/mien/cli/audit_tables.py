"""An audit as tables in the terminal."""

from typing import TYPE_CHECKING

from mien.cli.output import print_parts
from mien.cli.report_tables import new_table
from mien.text import counted

if TYPE_CHECKING:
    from mien.audit import Audit

_WORDS = {
    "blank": "blank",
    "identical": "with an identical picture",
    "identical_in_other_split": "  in another split",
    "identical_with_other_label": "  with another label",
    "twin": "with a twin, identical or nearly",
    "twin_in_other_split": "  in another split",
    "twin_with_other_label": "  with another label",
    "no_face": "the detector sees no face",
    "likely_wrong_label": "label likely wrong",
    "likely_wrong_and_votes_against": "  and votes against it",
    "votes_against_label": "votes against the label",
}


def print_audit(name: str, audit: "Audit") -> None:
    """Prints the counts of an audit, in 80 columns for sets with up to three splits."""
    document = audit.to_json_dict()
    splits = document["splits"]
    findings = new_table("faces", *splits, "all")
    findings.add_row(
        "in the set", *(f"{count:,}" for count in (*splits.values(), len(audit.faces)))
    )
    for finding, its in document["findings"].items():
        counts = (*its["by_split"].values(), its["total"])
        findings.add_row(_WORDS[finding], *(f"{count:,}" for count in counts))
    groups = new_table("groups", "all", "across splits", "several labels")
    for words, its in (
        ("identical pictures", document["groups_identical"]),
        ("twins, identical or nearly", document["groups_of_twins"]),
    ):
        groups.add_row(words, *(f"{count:,}" for count in its.values()))
    pairs = counted(document["num_twin_pairs"], "pair")
    groups.caption = f"{pairs} of twins, {document['num_mirrored_pairs']:,} of them mirrored"
    groups.caption_justify = "left"
    parts = [name, findings, groups]
    if document["likely_labels"]:
        labels = new_table("label ↓ likelier →", *(name[:8] for name in document["likely_labels"]))
        for label, its in document["likely_labels"].items():
            labels.add_row(label, *(f"{count:,}" for count in its["likely"].values()))
        words = f"{counted(document['num_judged'], 'label')} judged; likely wrong are"
        parts += [words, labels]
    if audit.no_face is not None:
        parts.append("A face that the detector does not see is weak evidence on tight crops.")
    print_parts(*parts)
