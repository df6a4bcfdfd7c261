import pytest

from mien.evaluation import score
from mien.labels import EXPRESSIONS
from mien.model_folder import ModelConfig
from mien.recipes import load_recipe


@pytest.fixture
def trained_config() -> ModelConfig:
    """A config as training writes it, of made figures."""
    import numpy as np

    report = score(np.eye(7, dtype=np.float32), np.arange(7), EXPRESSIONS)
    record = {
        "epoch": 1,
        "train_split": "Training",
        "selection_split": "PublicTest",
        "train_faces": 70,
        "selection_faces": 7,
        "data_hash": "0" * 64,
        "parameters": 1,
        "mmacs": 1.0,
        "training_flop": 6e12,
        "machine": "test",
        "minutes": 1.0,
        "selection": report.to_json_dict(),
        "versions": {"mien": "0"},
        "recipe": load_recipe("mien_s").model_dump(mode="json"),
    }
    return ModelConfig(architecture="mien_s", labels=EXPRESSIONS, input_size=44, training=record)
