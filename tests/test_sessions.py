"""On which device networks run: with the ones that are here, and with made lists of them."""

import onnxruntime
import pytest

from mien.errors import MissingError, UsageError
from mien.model_folder import NETWORK
from mien.sessions import device_of, find_device, open_session
from tiny_model import write_tiny_model

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def only(monkeypatch, *providers):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*providers, CPU])


@pytest.mark.parametrize(
    ("providers", "expected"),
    [
        ((), "cpu"),
        (("TensorrtExecutionProvider", CUDA), "cuda"),
        (("DmlExecutionProvider",), "directml"),
        (("CoreMLExecutionProvider",), "cpu"),
        (("OpenVINOExecutionProvider",), "cpu"),
        (("AzureExecutionProvider",), "cpu"),
    ],
)
def test_auto_takes_the_best_that_is_there(providers, expected, monkeypatch):
    only(monkeypatch, *providers)
    assert find_device() == expected


@pytest.mark.parametrize(
    ("device", "install"),
    [
        ("cuda", r'pip install "onnxruntime-gpu\[cuda,cudnn\]"'),
        ("directml", "pip install onnxruntime-directml"),
        ("openvino", "pip install onnxruntime-openvino"),
        ("coreml", "in ONNX Runtime for macOS only"),
    ],
)
def test_a_device_that_is_not_there_is_an_error_with_the_line_that_installs_it(
    device, install, monkeypatch
):
    only(monkeypatch)
    with pytest.raises(MissingError, match=rf"cannot run on '{device}', only on cpu: .*{install}"):
        find_device(device)


@pytest.mark.parametrize("device", ["coreml", "openvino"])
def test_a_device_that_auto_passes_over_is_taken_when_named(device, monkeypatch):
    only(monkeypatch, "CoreMLExecutionProvider", "OpenVINOExecutionProvider")
    assert find_device(device) == device


def test_an_unknown_device_is_an_error_that_names_the_nearest():
    with pytest.raises(UsageError, match="no device 'cda'; did you mean 'cuda'"):
        find_device("cda")


@pytest.fixture
def network(tmp_path):
    return write_tiny_model(tmp_path / "model") / NETWORK


class Session:
    """A session for which ONNX Runtime took some devices."""

    def __init__(self, *providers):
        self.providers = providers

    def get_providers(self):
        return list(self.providers)


def answering(monkeypatch, took):
    """Lets ONNX Runtime open what `took` makes of the providers that are asked for."""
    asked = []

    def inference_session(_, options, providers, **more):
        names = [each[0] if isinstance(each, tuple) else each for each in providers]
        asked.append((names, options.intra_op_num_threads))
        return took(names)

    monkeypatch.setattr(onnxruntime, "InferenceSession", inference_session)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    return asked


def test_a_device_is_asked_for_with_the_cpu_behind_it(network, monkeypatch):
    only(monkeypatch, CUDA)
    asked = answering(monkeypatch, lambda names: Session(*names))
    assert device_of(open_session(network, 2, "cuda")) == "cuda"
    assert asked == [([CUDA, CPU], 2)]


def refused(names):
    if CUDA in names:
        raise RuntimeError("no\n driver")
    return Session(*names)


@pytest.mark.parametrize(
    ("took", "reason"), [(lambda _: Session(CPU), "passed it over"), (refused, "no driver")]
)
def test_a_device_that_does_not_start_is_never_replaced_in_silence(
    took, reason, network, monkeypatch
):
    only(monkeypatch, CUDA)
    answering(monkeypatch, took)
    with pytest.raises(MissingError, match=f"'cuda' cannot be started: .*{reason}"):
        open_session(network, 1, "cuda")
    assert device_of(open_session(network, 1)) == "cpu"  # auto may, and the session says it


def test_a_network_that_is_none_is_not_the_devices_fault(tmp_path, monkeypatch):
    only(monkeypatch, CUDA)
    (tmp_path / NETWORK).write_bytes(b"no network")
    with pytest.raises(Exception, match="Protobuf parsing failed") as caught:
        open_session(tmp_path / NETWORK, 1, "cuda")
    assert not isinstance(caught.value, MissingError)


def test_threads_are_the_cores_unless_they_are_said(network, monkeypatch):
    monkeypatch.setattr("mien.sessions.count_cores", lambda: 5)
    asked = answering(monkeypatch, lambda names: Session(*names))
    open_session(network)
    open_session(network, 2)
    assert [threads for _, threads in asked] == [5, 2]
