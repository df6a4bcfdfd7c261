"""A model folder → the network it was exported from, in torch again."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from mien.errors import BadInputError, MissingError
from mien.model_folder import WEIGHTS, read_config, resolve, verify
from mien.models.face_classifier import FaceClassifier
from mien.models.registry import architecture, create_model


def load_face_classifier(model: str | Path = "default") -> FaceClassifier:
    """Returns a model's network with its weights, frozen and in evaluation mode, on the CPU.

    Its logits are those of the model folder's ONNX network.

    Args:
        model: `default`, a model folder, or a run that holds one.

    Raises:
        MissingError: No such model, or its folder has no weights.
        BadInputError: The folder is damaged.
        UsageError: It is of an architecture that this version of mien does not know.

    Example:
        >>> from mien.models import load_face_classifier
        >>> face_classifier = load_face_classifier("default")
        >>> face_classifier.net.head.out_features
        7
    """
    folder = resolve(model)
    config, path = read_config(folder), folder / WEIGHTS
    in_channels = max(architecture(config.architecture).channels, config.channels)
    options = {"in_channels": in_channels, "input_size": config.input_size, **config.options}
    options.pop("weights", None)  # what training started from; it need not be there any more
    net = create_model(config.architecture, len(config.labels), **options)
    try:
        verify(path)
        net.load_state_dict(load_file(path))
    except FileNotFoundError as error:
        raise MissingError(
            f"{path}: not found: this model can be run, but not explained or trained on"
        ) from error
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split("\n")[:2])
        raise BadInputError(
            f"{path}: not the weights of {config.architecture}: {reason}"
        ) from error
    face_classifier = FaceClassifier(
        net,
        mean=config.mean,
        std=config.std,
        in_channels=options["in_channels"],
        temperature=config.temperature,
    )
    return face_classifier.eval().requires_grad_(False)
