"""One contestant of benchmarks/peers.py in a process of its own, in the environment made for it.

    python benchmarks/peer_process.py KIND MODEL THREADS

Reads a command as a line of JSON, answers with one, until its input ends. It imports nothing of
mien unless the contestant needs it, so that it runs where a peer alone is installed.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TextIO

import numpy as np

Classify = Callable[[np.ndarray], np.ndarray]
"""uint8 faces [N, 48, 48] to probabilities, or what stands for them, [N, 7]."""


def main() -> None:
    """Answers `read` with a file of probabilities, `time` with the seconds of a face."""
    kind, model, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    answers = take_standard_output()
    classify = CONTESTANTS[kind](model, threads)
    classify(np.zeros((2, 48, 48), np.uint8))  # what loads late is loaded now

    def read(command: dict[str, Any]) -> dict[str, Any]:
        np.save(command["output"], in_batches(classify, np.load(command["faces"])))
        return {}

    def timing(command: dict[str, Any]) -> dict[str, Any]:
        faces = np.load(command["faces"])
        wall, processor = seconds_per_face(classify, faces, command["batch"], command["seconds"])
        return {"wall": wall, "processor": processor}

    answer_commands(answers, {"read": read, "time": timing})


def take_standard_output() -> TextIO:
    """Returns standard output, for answers; what peers print goes where errors go."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def answer_commands(
    answers: TextIO, actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]]
) -> None:
    """Says that it is ready, then answers a line of JSON for each that comes, until they end."""
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(actions[command["do"]](command)), file=answers, flush=True)


def in_batches(classify: Classify, faces: np.ndarray, size: int = 64) -> np.ndarray:
    """Returns the probabilities of any number of faces, float32 [N, 7]."""
    parts = [classify(faces[first : first + size]) for first in range(0, len(faces), size)]
    return np.concatenate(parts).astype(np.float32)


def seconds_per_face(
    classify: Classify, faces: np.ndarray, batch: int, at_least: float
) -> tuple[float, float]:
    """Returns wall and processor seconds a face, of batches lasting `at_least` seconds."""
    classify(faces[:batch])
    started, used = time.perf_counter(), time.process_time()
    num_faces = 0
    while (wall := time.perf_counter() - started) < at_least or not num_faces:
        first = num_faces % (len(faces) - batch + 1)
        classify(faces[first : first + batch])
        num_faces += batch
    return wall / num_faces, (time.process_time() - used) / num_faces


def mien(model: str, threads: int) -> Classify:
    """Returns mien's classifier of `FOLDER@PRECISION`, without test-time views."""
    from mien.classifier import Classifier

    folder, _, precision = model.rpartition("@")
    return Classifier(folder, threads, precision).probabilities  # pyright: ignore


def onnx(model: str, threads: int) -> Classify:
    """Returns a network of `tfjs.py`, which resizes and normalises itself."""
    from mien.sessions import open_session

    session = open_session(Path(model), threads)
    return lambda faces: session.run(["probabilities"], {"faces": faces})[0]


def fer(model: str, threads: int) -> Classify:
    """Returns fer's classifier: what `FER.detect_emotions` does to a crop, without its rounding."""
    import cv2

    emotion = load_fer(threads)

    def classify(faces: np.ndarray) -> np.ndarray:
        inputs = np.array([cv2.resize(face, (64, 64)) for face in faces], np.float32)
        return emotion._classify_emotions((inputs / 255.0 - 0.5) * 2.0)

    return classify


def load_fer(threads: int, mtcnn: bool = False) -> Any:
    """Returns fer's `FER`, on LiteRT."""
    import cv2

    stand_in_for_tensorflow(threads)
    cv2.setNumThreads(threads)
    from fer.fer import FER  # pyright: ignore[reportMissingImports]

    return FER(mtcnn=mtcnn)


def facex(model: str, threads: int) -> Classify:
    """Returns facex's classifier, face by face as it does."""
    stand_in_for_tensorflow(threads)
    from facex import core  # pyright: ignore[reportMissingImports]

    network = Path(core.__file__).parent / "assets" / "model_optimized.tflite"
    classifier = core.EmotionClassifier(str(network))
    return lambda faces: np.array([[*classifier.detect_emotion(face).values()] for face in faces])


def facial_emotion_recognition(model: str, threads: int) -> Classify:
    """Returns facial-emotion-recognition's classifier, face by face as it does."""
    import torch

    torch.set_num_threads(threads)
    torch.load = partial(torch.load, map_location="cpu")  # it starts on a GPU only, else
    from facial_emotion_recognition import (  # pyright: ignore[reportMissingImports]
        EmotionRecognition,
    )

    peer = EmotionRecognition(device="cpu")

    @torch.inference_mode()
    def classify(faces: np.ndarray) -> np.ndarray:
        outputs = [peer.network(peer.transform(face[:, :, None])[None]) for face in faces]
        return torch.cat(outputs).numpy()  # its `_predict` takes the largest of these

    return classify


def stand_in_for_tensorflow(threads: int) -> None:
    """Gives peers LiteRT, TensorFlow's interpreter on its own, where they look for TensorFlow."""
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

    lite = SimpleNamespace(Interpreter=partial(Interpreter, num_threads=threads))
    parts: dict[str, dict[str, Any]] = {
        "tensorflow": {"lite": lite},
        "tensorflow.keras": {},
        "tensorflow.keras.models": {"load_model": None},
    }
    for name, attributes in parts.items():
        module = ModuleType(name)
        module.__spec__, module.__path__ = ModuleSpec(name, None), []
        module.__dict__.update(attributes)
        sys.modules[name] = module


CONTESTANTS: dict[str, Callable[[str, int], Classify]] = {
    "mien": mien,
    "onnx": onnx,
    "fer": fer,
    "facex": facex,
    "facial-emotion-recognition": facial_emotion_recognition,
}

if __name__ == "__main__":
    main()
