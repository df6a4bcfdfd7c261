"""The checkpoint: one file, written atomically, from which a run continues bit for bit."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mien.errors import BadInputError
from mien.files import write_whole
from mien.recipes import parse_recipe
from mien.training.state import Measured, TrainingState

CHECKPOINT = "checkpoint.pt"
FORMAT = 1
_ABOUT = ("identity", "recipe", "torch", "threads", "epoch", "step", "losses")
_STATE = ("net", "optimizer", "average", "average_updates")
_KEYS = {*_ABOUT, *_STATE, "selection_labels", "best", "last"}
_MAGIC = b"mien checkpoint\n"
"""Then come the 32 bytes of the SHA-256 of what follows them, which torch reads. Files of mien 0.1
begin with that at once."""


def save(state: TrainingState, run: Path, identity: Mapping[str, str]) -> None:
    """Writes the state to `RUN/checkpoint.pt`; if killed meanwhile, the previous file stays whole.

    Args:
        state: A state between two epochs.
        run: The run folder.
        identity: Hashes of what the run learns from; `restore` compares them.
    """
    content = {
        "format": FORMAT,
        "identity": dict(identity),
        "recipe": state.recipe.model_dump_json(),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "epoch": state.epoch,
        "step": state.step,
        "losses": state.losses,
        "net": state.bare_net.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "average": state.average and state.average.net.state_dict(),
        "average_updates": state.average and state.average.num_updates,
        "target_shares": state.train_targets.mean(0).cpu(),
        "selection_labels": torch.from_numpy(state.selection_labels),
        "selection_votes": None
        if state.selection_votes is None
        else torch.from_numpy(state.selection_votes),
        "best": state.best and vars(state.best),
        "last": state.last and vars(state.last),
    }
    payload = io.BytesIO()
    torch.save(content, payload)
    with write_whole(run / CHECKPOINT) as file:
        file.write(_MAGIC + hashlib.sha256(payload.getbuffer()).digest())
        file.write(payload.getbuffer())


def read(run: Path) -> dict[str, Any] | None:
    """Returns the checkpoint of a run, its tensors on the CPU; None if there is none yet.

    Raises:
        BadInputError: The file is damaged, or of another version's format.
    """
    path = run / CHECKPOINT
    if not path.exists():
        return None
    stored = path.read_bytes()
    if stored.startswith(_MAGIC):
        start = len(_MAGIC) + hashlib.sha256().digest_size
        digest, stored = stored[len(_MAGIC) : start], stored[start:]
        if hashlib.sha256(stored).digest() != digest:
            raise BadInputError(f"{path}: damaged: its content is not what was written")
    try:
        content = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many unrelated classes for a damaged file
        reason = str(error).partition("\n")[0]
        raise BadInputError(f"{path}: not a readable checkpoint: {reason}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadInputError(f"{path}: not a checkpoint that this version of mien reads")
    if missing := sorted(_KEYS - content.keys()):
        raise BadInputError(f"{path}: not a whole checkpoint: it lacks {', '.join(missing)}")
    return content


def restore(
    state: TrainingState, content: Mapping[str, Any], identity: Mapping[str, str]
) -> list[str]:
    """Puts a checkpoint's content into a fresh state of the same recipe and faces.

    Returns:
        Warnings: another version of torch, or another number of threads, than when it was saved.

    Raises:
        BadInputError: The recipe or the faces are not those it was saved with.
    """
    for key, value in identity.items():
        if content["identity"].get(key) != value:
            raise BadInputError(
                f"the run was started on other data: {key} was {content['identity'].get(key)} "
                f"and is {value} now"
            )
    if parse_recipe(json.loads(content["recipe"]), CHECKPOINT) != state.recipe:
        raise BadInputError("the run's recipe.toml was changed after its checkpoint was written")
    try:
        _put_back(state, content)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInputError(f"the checkpoint is not of this run's recipe: {reason}") from error
    warnings = []
    if content["torch"] != str(torch.__version__):
        warnings.append(f"torch was {content['torch']} and is {torch.__version__}")
    if content["threads"] != torch.get_num_threads():
        warnings.append(f"threads were {content['threads']} and are {torch.get_num_threads()}")
    return [f"{warning}: the result may differ in its last bits" for warning in warnings]


def _put_back(state: TrainingState, content: Mapping[str, Any]) -> None:
    state.epoch, state.step = content["epoch"], content["step"]
    state.losses = list(content["losses"])
    state.bare_net.load_state_dict(content["net"])
    state.optimizer.load_state_dict(content["optimizer"])
    if state.average:
        state.average.net.load_state_dict(content["average"])
        state.average.num_updates = content["average_updates"]
    if content["best"]:
        state.best = Measured(**content["best"])
