"""ONNX sessions: the one place that loads ONNX Runtime, and how its networks run.

Since 1.32, ONNX Runtime's Linux package keeps a device identifier and an event queue below the
user's cache folder and asks for a host of its maker's, unless `ORT_DISABLE_TELEMETRY` is set before
it loads. mien promises that nothing is sent, so it is set here; a value that the user gave stays.
"""

import os
from pathlib import Path
from typing import Any

SILENCE = "ORT_DISABLE_TELEMETRY"


def open_session(network: Path | bytes, num_threads: int = 0) -> Any:
    """Returns an ONNX Runtime session of a network.

    Args:
        network: The file, or its content.
        num_threads: Threads of ONNX Runtime; 0 lets it choose.

    Raises:
        Exception: ONNX Runtime's own classes, which are unrelated: it is no network that it runs.
    """
    os.environ.setdefault(SILENCE, "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    # Threads that wait by spinning keep the decoder's and others' from working: with one processor
    # taken, a frame took twice as long.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
