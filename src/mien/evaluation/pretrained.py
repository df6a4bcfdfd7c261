"""The models that come with mien: purpose, size and accuracy."""

from typing import Any

from mien.classifier import find_network
from mien.evaluation.report import read_report
from mien.model_folder import NETWORK_INT8, PRETRAINED, read_config, resolve


def describe_pretrained() -> list[dict[str, Any]]:
    """Returns purpose, size and accuracy of each model that comes with mien, ready for JSON.

    Keys: `name`, `purpose`, `architecture`, `parameters`, `precisions` that it has, `precision`
    that reads pictures on this machine, and `accuracy`. The accuracy is the float32 network's on
    the split that the model was selected on, against labels and against votes; of one view and
    test-time views it is the better one.
    """
    rows = []
    for name, purpose in PRETRAINED.items():
        folder = resolve(name)
        config = read_config(folder)
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
        network, _ = find_network(folder)
        rows.append(
            {
                "name": name,
                "purpose": purpose,
                "architecture": config.architecture,
                "parameters": record.parameters,
                "precisions": ["float32", *["int8"] * (folder / NETWORK_INT8).is_file()],
                "precision": "int8" if network.name == NETWORK_INT8 else "float32",
                "accuracy": accuracy,
            }
        )
    return rows
