import importlib
import subprocess
import sys

import pytest

import mien

NAMES = [
    *("Analyzer", "BadInputError", "Classifier", "Detection", "Detector", "Face", "FrameResult"),
    *("MienError", "MissingError", "Sampling", "UsageError", "create_model", "evaluate", "explain"),
    *("export", "load_recipe", "read", "to_table", "train"),
]


def test_these_are_the_public_names():
    assert mien.__all__ == NAMES
    assert dir(mien) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_there_and_hides_no_module(name):
    value = getattr(mien, name)
    home = importlib.import_module(value.__module__)
    assert getattr(home, name) is value
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"mien.{name}")


def test_importing_mien_loads_nothing_heavy():
    heavy = ["numpy", "torch", "onnxruntime", "PIL", "cv2"]
    code = f"import sys, mien; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = mien.analyse  # type: ignore[attr-defined]
