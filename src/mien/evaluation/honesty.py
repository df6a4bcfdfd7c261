"""Whether a model may be judged by these faces: were they part of how it came about?"""

from mien.data import FaceSet
from mien.data.splits import find_split
from mien.model_folder import ModelConfig


def honesty_warning(
    config: ModelConfig, faces: FaceSet, source: FaceSet | None = None
) -> str | None:
    """Returns why figures on these faces would flatter the model, or None where nothing says so.

    The model's training record names its faces by `FaceSet.content_hash`, so what is noticed is
    the very same set: the selection faces, the training faces, the whole set they came from, or
    its training split of which a part was held out. Other overlaps (a subset, near-twins) are not.

    Args:
        config: The model's; its `training` holds `data_hash`, `train_hash`, `selection_hash` and
            the recipe.
        faces: The faces to evaluate on.
        source: The whole set they were taken from, where it is at hand.
    """
    record = config.training
    digest = faces.without_opinions().content_hash()
    if digest == record.selection_hash:
        return "these are the faces the model was selected on: the figures are optimistic"
    if digest == record.train_hash:
        return "these are the faces the model was trained on: the figures say nothing of new faces"
    train_split = record.setting("data.train_split")
    from_training_set = (
        source is not None and source.without_opinions().content_hash() == record.data_hash
    )
    part_of_training = (
        from_training_set and train_split and find_split(train_split, faces.split_names)
    )
    if digest == record.data_hash or part_of_training:
        return (
            "among these faces are those the model was trained on: the figures say little of new "
            "faces; evaluate on a split of its own"
        )
    return None
