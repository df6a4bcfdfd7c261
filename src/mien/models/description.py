"""What an architecture is and costs, in numbers and layer by layer."""

from dataclasses import dataclass
from typing import Any

from mien.models.count import count_macs, count_parameters
from mien.models.registry import architecture, create_model


@dataclass(frozen=True)
class Layer:
    """One layer as it runs; `shape` is its output's without the batch."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def describe(name: str) -> dict[str, Any]:
    """Returns what an architecture is and costs, ready for JSON; built at its default input.

    Keys: `name`, `family`, `summary`, `parameters`, `mmacs` (millions of multiply-adds), `input`
    (channels x side x side).

    Raises:
        UsageError: No such architecture.

    Example:
        >>> from mien.models import describe
        >>> facts = describe("logistic")
        >>> facts["parameters"], facts["input"]
        (16135, '1x48x48')
    """
    entry = architecture(name)
    net = create_model(name)
    return {
        "name": name,
        "family": entry.family,
        "summary": entry.summary,
        "parameters": count_parameters(net),
        "mmacs": count_macs(net, entry.channels, entry.input_size) / 1e6,
        "input": f"{entry.channels}x{entry.input_size}x{entry.input_size}",
    }


def layer_table(name: str) -> list[Layer]:
    """Returns an architecture's layers in the order they run, as the reports' tables list them.

    Raises:
        UsageError: No such architecture.

    Example:
        >>> from mien.models import layer_table
        >>> layer = layer_table("logistic")[-1]
        >>> layer.name, layer.kind, layer.shape, layer.parameters
        ('head', 'Linear', (7,), 16135)
    """
    import torchinfo

    entry = architecture(name)
    size = (1, entry.channels, entry.input_size, entry.input_size)
    table = torchinfo.summary(create_model(name), size, mode="eval", device="cpu", verbose=0)
    return [
        Layer(_path(layer), layer.class_name, tuple(layer.output_size[1:]), layer.num_params)
        for layer in table.summary_list
        if layer.is_leaf_layer
    ]


def _path(layer: Any) -> str:
    """Returns the dotted name of a layer of torchinfo within the network."""
    names = []
    while layer.parent_info is not None:
        names.append(layer.var_name)
        layer = layer.parent_info
    return ".".join(reversed(names))
