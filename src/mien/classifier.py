"""A model folder at work: face images → logits, on ONNX Runtime (no torch)."""

import warnings
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mien.errors import BadInputError, MienError, MissingError, UsageError
from mien.labels import nearest
from mien.model_folder import (
    METADATA_KEY,
    NETWORK,
    NETWORK_INT8,
    ModelConfig,
    parse_config,
    resolve,
    verify,
)
from mien.pictures import to_grey
from mien.processors import has_fast_int8
from mien.sessions import device_of, find_device, open_session
from mien.views import centre_crop, count_test_time_views, test_time_views

Precision = Literal["auto", "float32", "int8"]
"""Which network of a model folder runs; `auto`: int8 where it is there and faster."""


class Classifier:
    """A trained network, ready to classify face images.

    Attributes:
        folder: The model folder it came from.
        config: Its labels, geometry and training record.
        labels: Class names in the order of the logits.
        precision: Of the network at work: `float32` or `int8`.
        device: What it runs on: one of `mien.sessions.DEVICES`.
        digest: SHA-256 of that network's file, in hexadecimal digits: which model it is.

    Example:
        >>> from mien import Classifier
        >>> from mien.data import read
        >>> classifier = Classifier("default")
        >>> classifier.labels[:3]
        ('angry', 'disgust', 'fear')
        >>> classifier.probabilities(read("faces.csv").images).shape
        (98, 7)
    """

    def __init__(
        self,
        model: str | Path = "default",
        num_threads: int = 0,
        precision: Precision = "auto",
        device: str = "auto",
    ) -> None:
        """Loads a model.

        Args:
            model: `default`, a model folder, or a run that holds one.
            num_threads: Threads on the CPU; 0: one for each core that this process may use.
            precision: `float32`; `int8`, several times as fast on the CPU, where the folder has
                such a network, and a little less exact; or `auto`: int8 where the folder has it
                and the processor is quick at it, else float32.
            device: `cpu`, `cuda`, `directml`, `openvino`, `coreml`, or `auto`: the best that is
                there. int8 is for the CPU only.

        Raises:
            MissingError: No such model; or it has no int8 network, or the device is not there.
            BadInputError: The folder is damaged.
            UsageError: No such precision or device; or they do not go together.
        """
        self.folder: Path = resolve(model)
        path, chosen = find_network(self.folder, precision, device)
        if not path.is_file():
            raise MissingError(f"{path}: not found; the model folder is incomplete")
        self.precision: str = "int8" if path.name == NETWORK_INT8 else "float32"
        if precision == "int8" and not has_fast_int8():
            warnings.warn("int8: not known to be fast or exact on this processor", stacklevel=2)
        self.digest: str = verify(path)
        try:
            self._session = open_session(path, num_threads, chosen)
        except MienError:
            raise
        except Exception as error:  # onnxruntime raises its own, unrelated, classes
            raise BadInputError(f"{path}: not a network that ONNX Runtime can load") from error
        self.device: str = device_of(self._session)
        try:
            metadata = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise BadInputError(f"{path}: its metadata is not UTF-8 text") from error
        if METADATA_KEY not in metadata:
            raise BadInputError(f"{path}: holds no mien metadata; was it exported by mien?")
        self.config: ModelConfig = parse_config(metadata[METADATA_KEY], str(path))
        self.labels: tuple[str, ...] = self.config.labels
        self._check_network(path)

    def num_views(self, tta: bool) -> int:
        """Returns how many views of each face are averaged."""
        if not tta:
            return 1
        return count_test_time_views(self.config.face_size, self.config.input_size)

    def logits(self, faces: np.ndarray, tta: bool = False, batch_size: int = 64) -> np.ndarray:
        """Returns the calibrated logits of face images, float32 `[N, K]`.

        Args:
            faces: uint8 `[N, S, S]` grey or `[N, S, S, 3]` RGB, S = `config.face_size`.
            tta: Average the logits of the test-time views (`mien.views`) instead of looking at
                the centre once.
            batch_size: Faces per run of the network; bounds the memory.

        Raises:
            ValueError: The faces have another dtype, shape or size.
        """
        self._check(faces)
        if len(faces) == 0:
            return np.zeros((0, len(self.labels)), np.float32)
        parts = [
            self._views(faces[start : start + batch_size], tta)
            for start in range(0, len(faces), batch_size)
        ]
        return np.concatenate(parts)

    def probabilities(self, faces: np.ndarray, tta: bool = False) -> np.ndarray:
        """Returns the calibrated probabilities of face images, float32 `[N, K]`; rows sum to 1."""
        return softmax(self.logits(faces, tta))

    def run(self, views: np.ndarray) -> np.ndarray:
        """Returns the network's logits of views as they are, float32 `[N, K]`.

        Args:
            views: uint8 `[N, s, s, C]`, s = `config.input_size`, C = `config.channels`.
        """
        (logits,) = self._session.run(None, {"faces": np.ascontiguousarray(views)})
        return np.asarray(logits)

    def _views(self, faces: np.ndarray, tta: bool) -> np.ndarray:
        faces = as_channels(faces, self.config.channels)
        size = self.config.input_size
        views = test_time_views(faces, size) if tta else [centre_crop(faces, size)]
        total = np.zeros((len(faces), len(self.labels)), np.float32)
        for view in views:
            total += self.run(view)
        return total / len(views)

    def _check_network(self, path: Path) -> None:
        """Raises BadInputError where the network is not what its metadata says it is."""
        size, channels = self.config.input_size, self.config.channels
        face = np.full((1, size, size, channels), 127, np.uint8)
        try:
            logits = self.run(face)
        except Exception as error:  # onnxruntime raises its own, unrelated, classes
            raise BadInputError(
                f"{path}: does not take faces [N, {size}, {size}, {channels}], as its metadata "
                f"says: {error}"
            ) from error
        if logits.shape != (1, len(self.labels)):
            raise BadInputError(
                f"{path}: gives logits {list(logits.shape)} of one face, but its metadata has "
                f"{len(self.labels)} labels"
            )
        if not np.isfinite(logits).all():
            raise BadInputError(f"{path}: gives logits that are not finite numbers")

    def _check(self, faces: np.ndarray) -> None:
        size = self.config.face_size
        good = faces.shape[1:] in ((size, size), (size, size, 1), (size, size, 3))
        if faces.dtype != np.uint8 or not good:
            raise ValueError(
                f"expected faces uint8 [N, {size}, {size}] or [N, {size}, {size}, 3], "
                f"got {faces.dtype} {list(faces.shape)}"
            )


def find_network(
    folder: Path, precision: Precision = "auto", device: str = "auto"
) -> tuple[Path, str]:
    """Returns the file of a model folder that is to run, and the device for it.

    The choice depends on the folder, the processor and the installed ONNX Runtime alone, never on
    a measurement: the same command gives the same rows each time.

    Args:
        folder: The model folder.
        precision: As `Classifier` takes it.
        device: As `Classifier` takes it; stays `auto` where the CPU may take over.

    Raises:
        MissingError: The folder has no int8 network, or the device named is not there.
        UsageError: No such precision or device; or int8 on another device than the CPU.
    """
    if precision not in get_args(Precision):
        raise UsageError(f"no precision {precision!r}{nearest(precision, get_args(Precision))}")
    int8 = folder / NETWORK_INT8
    if precision == "int8":
        if device not in ("auto", "cpu"):
            raise UsageError(f"int8 runs on the CPU only, not on {device!r}; leave one of them out")
        if not int8.is_file():
            raise MissingError(
                f"{folder}: has no int8 network; make one: "
                f"mien export {folder} --int8 --data DATA --output DIR"
            )
        return int8, "cpu"
    found = find_device(device)
    if precision == "auto" and found == "cpu" and int8.is_file() and has_fast_int8():
        return int8, "cpu"
    return folder / NETWORK, device


def as_channels(faces: np.ndarray, channels: int) -> np.ndarray:
    """Returns faces as uint8 `[N, S, S, channels]`: grey repeated, or RGB made grey.

    Grey is that of `mien.pictures.to_grey`.
    """
    if faces.ndim == 3:
        faces = faces[..., None]
    if faces.shape[3] == channels:
        return faces
    if channels == 3:
        return np.repeat(faces, 3, axis=3)
    return to_grey(faces)[..., None]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax along the last axis, in the dtype of the logits."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
