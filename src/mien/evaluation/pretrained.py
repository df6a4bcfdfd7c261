"""The models that come with mien: purpose, size and accuracy."""

from typing import Any

from mien.evaluation.report import read_report
from mien.model_folder import PRETRAINED, read_config, resolve


def describe_pretrained() -> list[dict[str, Any]]:
    """Returns purpose, size and accuracy of each model that comes with mien, ready for JSON.

    Keys: `name`, `purpose`, `architecture`, `parameters` and `accuracy`. The accuracy is on the
    split that the model was selected on, against labels and against votes; of one view and
    test-time views it is the better one.
    """
    rows = []
    for name, purpose in PRETRAINED.items():
        config = read_config(resolve(name))
        record = config.training
        accuracy: dict[str, dict[str, Any]] = {}
        reports = [each for each in (record.selection, record.selection_tta) if each]
        for report in map(read_report, reports):
            for truth, part in (
                ("most annotators say", report.votes),
                ("FER2013's label says", report),
            ):
                if part and part.accuracy > accuracy.get(truth, {}).get("accuracy", 0):
                    accuracy[truth] = {
                        "accuracy": part.accuracy,
                        "ci95": part.accuracy_ci95,
                        "faces": part.num_faces,
                        "views": report.num_views,
                    }
        rows.append(
            {
                "name": name,
                "purpose": purpose,
                "architecture": config.architecture,
                "parameters": record.parameters,
                "accuracy": accuracy,
            }
        )
    return rows
