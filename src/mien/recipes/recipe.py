"""The one page of knobs: everything that decides how a network is trained.

A recipe file holds only what differs from these defaults. Every section is frozen and refuses keys
it does not know.
"""

import textwrap
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic.fields import FieldInfo

_GONE = {
    "cutmix": 0.0,
    "bias_lr_factor": 1.0,
    "self_target_start": 1.0,
    "self_target_momentum": 0.9,
}
"""Knobs of earlier versions, at the values that did nothing: run folders of theirs name them."""

ALL_ROWS = "all"
"""The training split that is every row."""


def _as_list(value: Any) -> Any:
    """Returns plain words between commas as a list, and one value as a list of it."""
    if isinstance(value, str):
        value = [word.strip(" '\"") for word in value.strip("[] ").split(",")]
        if not all(value) or value == ["none"]:
            raise ValueError("expected values separated by commas, or [] for none")
    return value if isinstance(value, list | tuple) else [value]


Words = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_as_list)]


class _Section(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_gone(cls, page: Any) -> Any:
        if not isinstance(page, dict):
            return page
        return {key: value for key, value in page.items() if _GONE.get(key, ()) != value}


class Model(_Section):
    """Which network."""

    name: str = "mien_s"
    """Architecture, one of `mien models`."""
    options: dict[str, Any] = {}
    """The architecture's own options."""


class Data(_Section):
    """Which faces, and how they reach the network."""

    train_split: str = "Training"
    """Split to learn from; all: every row, whatever its split, less the `selection_fraction` that
    is held out at random. A set without splits is used whole."""
    selection_split: str = "PublicTest"
    """Split to select on; where the set has none of that name, `selection_fraction` is held out."""
    selection_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Part of the training split held out for selection where there is no selection split."""
    stratified: bool = True
    """Hold out the same part of every class."""
    split_seed: int = Field(default=42, ge=0)
    """Seed of the held-out part."""
    folds: int = Field(default=0, ge=0)
    """Divide the training split into this many folds and leave one out; 0: use it whole."""
    fold: int = Field(default=0, ge=0)
    """Which fold is left out, from 0."""
    drop: Words = ()
    """Expressions left out; the labels are renumbered."""
    grow: Words = ()
    """Rare classes grown to four times as report D does: mirrored copies, then rotated ones."""
    balance: Literal["none", "oversample", "weights"] = "none"
    """Repeat training faces until classes are equal, or weigh each class's loss by its rarity."""
    channels: Literal[1, 3] = 1
    """1 reads faces as grey, 3 keeps the colours of pictures."""
    face_size: int = Field(default=48, ge=8)
    """Side to which pictures of a folder are resized; a CSV keeps its own."""
    input_size: int = Field(default=48, ge=8)
    """Side of the network's input, pixels; smaller than the faces means crops of them."""
    mean: Numbers = (0.5,)
    """Subtracted from pixels scaled to [0, 1]; one value, or one per channel; none: those of
    the backbone (timm), else of the training faces."""
    std: Numbers = (0.5,)
    """Divides them after."""


class Photo(_Section):
    """What makes a face like those in photographs, in the order in which it happens to one."""

    faces: float = Field(default=0.0, ge=0, le=1)
    """Part of the training faces it happens to; the others stay as their files have them."""
    occlude: float = Field(default=0.0, ge=0, le=1)
    """Part of these with something over them: a grey ellipse, half of them over the mouth."""
    light: float = Field(default=0.0, ge=0, le=1)
    """Part lit from one side."""
    tone: float = Field(default=0.0, ge=0, le=1)
    """Part with another gamma, contrast and brightness, mostly flatter and darker."""
    blur: float = Field(default=0.0, ge=0, le=1)
    """Part out of focus, by up to 1.5 pixels."""
    shrink: float = Field(default=0.0, ge=0, le=1)
    """Part taken with 12 to 40 pixels a side and enlarged again."""
    noise: float = Field(default=0.0, ge=0, le=1)
    """Part with a sensor's noise."""
    jpeg: float = Field(default=0.0, ge=0, le=1)
    """Part compressed as JPEG, with a quality of 20 to 80."""


class Augment(_Section):
    """Random changes to training faces; off by default. Test faces are never augmented."""

    flip: Literal["none", "random", "alternating"] = "none"
    """Mirror images: half of them at random, or each face in every second epoch."""
    rotate_degrees: float = Field(default=0.0, ge=0, le=180)
    """Rotation, uniform in ± this."""
    scale_fraction: float = Field(default=0.0, ge=0, lt=1)
    """Zoom, uniform in 1 ± this."""
    translate_fraction: float = Field(default=0.0, ge=0, le=1)
    """Shift along each axis, uniform in ± this part of the side."""
    shear_degrees: float = Field(default=0.0, ge=0, lt=90)
    """Horizontal shear, uniform in ± this."""
    pad_crop: int = Field(default=0, ge=0)
    """Whole-pixel shift in ± this along each axis: pad by it, then crop at random."""
    crops: Literal["none", "five", "ten", "ten_vertical"] = "none"
    """One of five crops (centre, corners) at random; ten: or of their mirror images (vertical:
    upside down). Crops differ where `data.input_size` is smaller than the faces."""
    fill: Literal["zeros", "border", "reflection"] = "zeros"
    """What lies beyond the face's edge."""
    resampling: Literal["bilinear", "bicubic", "either"] = "bilinear"
    """Between pixels, when geometry moves them: linear is softer than the face as it is, cubic
    about as sharp; either: each batch one or the other at random."""
    brightness: float = Field(default=0.0, ge=0, le=1)
    """Pixel values times a factor uniform in 1 ± this."""
    contrast: float = Field(default=0.0, ge=0, le=1)
    """Distance from the face's mean grey times a factor uniform in 1 ± this."""
    saturation: float = Field(default=0.0, ge=0, le=1)
    """Distance from each pixel's grey times a factor uniform in 1 ± this; for colour faces."""
    photo: Photo = Photo()
    """Light, lens, sensor and file."""
    erase_pixels: int = Field(default=0, ge=0)
    """Side of a square set to mean grey, at the network's full input size."""
    mixup: float = Field(default=0.0, ge=0)
    """Mix pairs of faces with a weight from Beta(this, this)."""


class Optimizer(_Section):
    """The optimiser. Weight decay spares biases and batch norm."""

    name: Literal[
        "adam", "adamw", "adamax", "adagrad", "sgd", "asgd", "rmsprop", "rprop", "muon"
    ] = "adam"
    """Which; SGD is with Nesterov momentum."""
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate; the peak, where the schedule has one."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """SGD's and Muon's momentum, beta1 of Adam, AdamW and Adamax; the others have none."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay; decoupled for AdamW."""
    muon_lr_factor: float = Field(default=1.0, gt=0)
    """muon: learning rate of the convolutions, as a multiple of the rest of the net's (SGD)."""


class Schedule(_Section):
    """The learning rate over time."""

    name: Literal["constant", "step", "cosine", "one_cycle", "plateau"] = "constant"
    """Its shape; `one_cycle` warms up from lr/25, then anneals (Smith 2018)."""
    warmup_fraction: float = 0.3
    """one_cycle: part of the steps spent going up."""
    anneal: Literal["cosine", "linear"] = "cosine"
    """one_cycle: shape of both ramps."""
    final_fraction: float = Field(default=4e-6, ge=0, le=1)
    """one_cycle: what is left of the peak at the end."""
    step_epochs: int = Field(default=15, ge=1)
    """step: epochs between two cuts; plateau: epochs without a lower selection loss before one."""
    step_factor: float = Field(default=0.1, gt=0, lt=1)
    """step, plateau: what each cut multiplies the rate by."""


class Train(_Section):
    """The loop."""

    epochs: int = Field(default=30, ge=1)
    """Passes over the training faces."""
    batch_size: int = Field(default=128, ge=1)
    """Faces per step, of all processes together."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything random in training."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the network's arithmetic in training; faster as bfloat16 where the processor has it.
    Weights, averages and every measurement stay float32."""
    vote_weight: float = Field(default=0.0, ge=0, le=1)
    """Part of the target that is the shares of FER+'s votes (--votes)."""
    teacher_weight: float = Field(default=0.0, ge=0, le=1)
    """Part of the target that is what a teacher says (--teacher): of the face, where it is a file
    of logits; of the very view that the student sees, mixed and all, where it is a model."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Part of the target spread evenly over all classes."""
    prior_correction: float = Field(default=0.0, ge=0, le=1)
    """How much of what the net learnt of the classes' frequency the export takes back: this times
    the logarithm of each class's share of the targets is subtracted from its logit (Menon et al.
    2021, section 4.1), so rare classes are named more often. Epochs are measured without it."""
    clip_value: float = Field(default=0.0, ge=0)
    """Clip each gradient to ± this; 0 is off."""
    clip_norm: float = Field(default=0.0, ge=0)
    """Scale gradients to at most this norm; 0 is off."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Average the weights with this decay per step, and use the average; 0 is off."""
    sizes: tuple[tuple[float, int], ...] = ()
    """Progressive resizing: (part of the epochs, side in pixels) in order; empty: full size."""
    patience: int = Field(default=0, ge=0)
    """Stop after this many epochs without a better selection score; 0 is off."""
    selection_metric: Literal["accuracy", "log_loss"] = "accuracy"
    """What is best on the selection split."""
    selection_truth: Literal["labels", "votes"] = "labels"
    """What it is measured against there, and the temperature is fitted to: the faces' own labels,
    or FER+'s votes (--votes): their majority, and for the log loss their shares."""
    keep: Literal["best", "last"] = "best"
    """Which epoch's weights become the model."""


class Recipe(_Section):
    """All knobs of a training run.

    Example:
        >>> from mien.recipes import Recipe
        >>> recipe = Recipe(train={"epochs": 5})
        >>> recipe.train.epochs, recipe.optimizer.name
        (5, 'adam')
    """

    description: str = ""
    """One line: what the recipe is for and where it comes from."""
    model: Model = Model()
    data: Data = Data()
    augment: Augment = Augment()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    train: Train = Train()

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.train.clip_value and self.train.clip_norm:
            raise ValueError("clip by value or by norm, not both")
        if self.train.vote_weight + self.train.teacher_weight > 1:
            raise ValueError("train.vote_weight and train.teacher_weight sum to more than 1")
        if self.data.folds == 1 or self.data.fold >= max(self.data.folds, 1):
            raise ValueError("data.folds must be 0 or more than 1, data.fold less than it")
        if self.train.sizes:
            total = sum(part for part, _ in self.train.sizes)
            if abs(total - 1) > 1e-6:
                raise ValueError(f"the parts of train.sizes must sum to 1, not {total:g}")
            if max(size for _, size in self.train.sizes) > self.data.input_size:
                raise ValueError("train.sizes exceeds data.input_size")
        if own := {"num_classes", "input_size"} & self.model.options.keys():
            raise ValueError(f"model.options: {own.pop()} follows from the data section")
        sizes = {len(self.data.mean), len(self.data.std)}
        if len(sizes) > 1 or not sizes <= {0, 1, 3}:
            raise ValueError("data.mean and data.std must have no, one or three values each")
        if any(value <= 0 for value in self.data.std):
            raise ValueError("data.std must be positive")
        if self.augment.crops != "none" and self.augment.flip != "none":
            raise ValueError("augment.crops chooses the flip: augment.flip must be none")
        if not 0 < self.schedule.warmup_fraction < 1:
            raise ValueError("schedule.warmup_fraction must lie between 0 and 1")
        return self

    def without_effect(self, channels: int) -> list[str]:
        """Returns the knobs, as `section.key`, that were set and change nothing as things are.

        Args:
            channels: Of the faces: 1 or 3.
        """
        photo, optimizer, schedule = self.augment.photo, self.optimizer, self.schedule
        stepped = schedule.name in ("step", "plateau")
        idle = {
            "data.selection_split": self.data.train_split == ALL_ROWS,
            "augment.saturation": channels == 1,
            "augment.photo.faces": not any(
                value for name, value in photo if name != "faces" and photo.faces
            ),
            **{f"augment.photo.{name}": not photo.faces for name, _ in photo if name != "faces"},
            "optimizer.momentum": optimizer.name in ("adagrad", "asgd", "rmsprop", "rprop"),
            "optimizer.muon_lr_factor": optimizer.name != "muon",
            "schedule.warmup_fraction": schedule.name != "one_cycle",
            "schedule.anneal": schedule.name != "one_cycle",
            "schedule.final_fraction": schedule.name != "one_cycle",
            "schedule.step_epochs": not stepped,
            "schedule.step_factor": not stepped,
        }
        return [key for key, is_idle in idle.items() if is_idle and self._was_set(key)]

    def _was_set(self, key: str) -> bool:
        *sections, name = key.split(".")
        section: Any = self
        for each in sections:
            section = getattr(section, each)
        default = type(section).model_fields[name].default
        return name in section.model_fields_set and getattr(section, name) != default

    def to_toml(self) -> str:
        """Returns the whole resolved page as TOML, each knob explained in a comment above it.

        Reading it back gives an equal recipe.
        """
        import tomli_w

        lines, names = [], []
        for line in tomli_w.dumps(self.model_dump(mode="json")).splitlines():
            if is_head := line.startswith("["):
                names = line.strip("[]").split(".")
            key = names if is_head else [*names, line.partition(" = ")[0]]
            lines += [*_comment(".".join(key)), line]
        return "\n".join(lines) + "\n"


def _all_knobs(section: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, field in section.model_fields.items():
        found[prefix + name] = field
        if inside := inner_section(field):
            found |= _all_knobs(inside, f"{prefix}{name}.")
    return found


def inner_section(field: FieldInfo) -> type[BaseModel] | None:
    """Returns the section that a field of the page is; None of a knob."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, _Section) else None


KNOBS = _all_knobs(Recipe)
"""The sections and knobs of the page in its order, by `section.key`."""


def explain(name: str) -> str:
    """Returns what a section or knob of `KNOBS` decides, on one line, with the words it takes."""
    field = KNOBS[name]
    section = inner_section(field)
    text = " ".join((field.description or (section and section.__doc__) or "").split())
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return f"{text} One of {', '.join(map(str, choices))}." if choices else text


def _comment(name: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(explain(name), 77)] if name in KNOBS else []
