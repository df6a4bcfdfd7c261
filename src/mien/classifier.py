"""A model folder at work: face images → logits, on ONNX Runtime (no torch)."""

from pathlib import Path

import numpy as np

from mien.errors import BadInputError, MissingError
from mien.model_folder import METADATA_KEY, NETWORK, ModelConfig, parse_config, resolve, verify
from mien.pictures import to_grey
from mien.sessions import open_session
from mien.views import centre_crop, count_test_time_views, test_time_views


class Classifier:
    """A trained network, ready to classify face images.

    Attributes:
        folder: The model folder it came from.
        config: Its labels, geometry and training record.
        labels: Class names in the order of the logits.
        digest: SHA-256 of the network's file, in hexadecimal digits: which model it is.

    Example:
        >>> from mien import Classifier
        >>> from mien.data import read
        >>> classifier = Classifier("default")
        >>> classifier.labels[:3]
        ('angry', 'disgust', 'fear')
        >>> classifier.probabilities(read("faces.csv").images).shape
        (98, 7)
    """

    def __init__(self, model: str | Path = "default", num_threads: int = 0) -> None:
        """Loads a model.

        Args:
            model: `default`, a model folder, or a run that holds one.
            num_threads: Threads of ONNX Runtime; 0 lets it choose.

        Raises:
            MissingError: No such model.
            BadInputError: The folder is damaged.
        """
        self.folder: Path = resolve(model)
        path = self.folder / NETWORK
        if not path.is_file():
            raise MissingError(f"{path}: not found; the model folder is incomplete")
        self.digest: str = verify(path)
        try:
            self._session = open_session(path, num_threads)
        except Exception as error:  # onnxruntime raises its own, unrelated, classes
            raise BadInputError(f"{path}: not a network that ONNX Runtime can load") from error
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
