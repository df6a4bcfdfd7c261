"""ONNX sessions: the one place that loads ONNX Runtime, and how and where its networks run.

Since 1.32, ONNX Runtime's Linux package keeps a device identifier and an event queue below the
user's cache folder and asks for a host of its maker's, unless `ORT_DISABLE_TELEMETRY` is set before
it loads. mien promises that nothing is sent, so it is set here; a value that the user gave stays.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from mien.errors import MissingError, UsageError
from mien.labels import nearest
from mien.processors import count_cores

SILENCE = "ORT_DISABLE_TELEMETRY"


@dataclass(frozen=True)
class _Device:
    """What ONNX Runtime calls a device, its options, and what brings it."""

    provider: str
    package: str
    options: dict[str, str] = field(default_factory=dict)


DEVICES: dict[str, _Device] = {
    # Else every new number of faces, or size of a picture, starts a search for the best kernels;
    # and float32 would be rounded to 10 bits of mantissa.
    "cuda": _Device(
        "CUDAExecutionProvider",
        '"onnxruntime-gpu[cuda,cudnn]"',
        {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"},
    ),
    "directml": _Device("DmlExecutionProvider", "onnxruntime-directml"),
    "openvino": _Device(  # its GPU would compute with 16 bits
        "OpenVINOExecutionProvider",
        "onnxruntime-openvino",
        {"device_type": "AUTO", "precision": "FP32"},
    ),
    "coreml": _Device("CoreMLExecutionProvider", "onnxruntime"),
    "cpu": _Device("CPUExecutionProvider", "onnxruntime"),
}
"""The devices by name."""

AUTOMATIC = ("cuda", "directml", "cpu")
"""What `auto` chooses from, the best first. OpenVINO must be named, for without a GPU of
its own it does what the CPU does, less int8; and CoreML, which every package for macOS has."""


def find_device(device: str = "auto") -> str:
    """Returns the device to run on: the one named, or the best that ONNX Runtime has here.

    Args:
        device: One of `DEVICES`, or `auto`.

    Raises:
        UsageError: There is none of this name.
        MissingError: The installed ONNX Runtime does not have it; with the line that installs it.

    Example:
        >>> from mien.sessions import find_device
        >>> find_device("cpu")
        'cpu'
    """
    if device not in ("auto", *DEVICES):
        raise UsageError(f"no device {device!r}{nearest(device, ['auto', *DEVICES])}")
    providers = _onnxruntime().get_available_providers()
    present = [name for name, each in DEVICES.items() if each.provider in providers]
    if device == "auto":
        return next(name for name in AUTOMATIC if name in present)
    if device not in present:
        install = f"pip uninstall onnxruntime, then pip install {DEVICES[device].package}"
        if device == "coreml":
            install = "it is in ONNX Runtime for macOS only"
        raise MissingError(
            f"this ONNX Runtime cannot run on {device!r}, only on {', '.join(present)}: {install}"
        )
    return device


def open_session(network: Path | bytes, num_threads: int = 0, device: str = "auto") -> Any:
    """Returns an ONNX Runtime session of a network.

    Args:
        network: The file, or its content.
        num_threads: Threads on the CPU; 0: one for each core that this process may use.
        device: As `find_device` takes it. Where `auto` cannot be started, the CPU takes over.

    Raises:
        UsageError: There is no such device.
        MissingError: The device named is not there, or cannot be started.
        Exception: ONNX Runtime's own classes, which are unrelated: it is no network that it runs.
    """
    found = find_device(device)
    if found != "cpu":
        try:
            session = _open(network, num_threads, found)
            reason = "ONNX Runtime passed it over; is its driver installed?"
            if device_of(session) == found:
                return session
        except Exception as error:  # onnxruntime raises its own, unrelated, classes
            reason = " ".join(str(error).split())
        if device != "auto":
            _open(network, num_threads, "cpu")  # raises where it is the network's fault
            raise MissingError(f"the device {found!r} cannot be started: {reason}")
    return _open(network, num_threads, "cpu")


def device_of(session: Any) -> str:
    """Returns the name in `DEVICES` of the device that a session runs on."""
    first = session.get_providers()[0]
    return next(name for name, each in DEVICES.items() if each.provider == first)


def _open(network: Path | bytes, num_threads: int, device: str) -> Any:
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads or count_cores()
    options.log_severity_level = 3
    # Threads that wait by spinning keep the decoder's and others' from working: with one processor
    # taken, a frame took twice as long.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device == "cuda" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA and cuDNN that came as Python packages
    if device == "directml":
        options.enable_mem_pattern = False  # it refuses to start with them
    providers: list[Any] = [(DEVICES[device].provider, DEVICES[device].options)]
    if device != "cpu":
        providers.append("CPUExecutionProvider")  # for operators that the device does not know
    # Without a fallback an error is raised, not printed before the CPU takes over.
    return onnxruntime.InferenceSession(network, options, providers, enable_fallback=0)


def _onnxruntime() -> ModuleType:
    os.environ.setdefault(SILENCE, "1")
    import onnxruntime

    return onnxruntime
