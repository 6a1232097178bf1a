"""Any causal language model as named sublayers, each parameter in exactly one.

A transformer block has two: `attention` and `mlp`. A block's norm belongs to the sublayer it feeds.
Embeddings, final norm and output head form the unit `embedding`, which is outside every ranking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from tgl.errors import TglError
from tgl.sublayer_names import EMBEDDING

# Per architecture (config.model_type): path of the block list, then the children of a block by sublayer.
_LAYOUTS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "gpt2": ("transformer.h", {"attention": ("ln_1", "attn"), "mlp": ("ln_2", "mlp")}),
    "gpt_neo": ("transformer.h", {"attention": ("ln_1", "attn"), "mlp": ("ln_2", "mlp")}),
    "gpt_neox": (
        "gpt_neox.layers",
        {"attention": ("input_layernorm", "attention"), "mlp": ("post_attention_layernorm", "mlp")},
    ),
    "llama": (
        "model.layers",
        {"attention": ("input_layernorm", "self_attn"), "mlp": ("post_attention_layernorm", "mlp")},
    ),
}


@dataclass(frozen=True)
class Sublayer:
    """One unit: its name (`block00.attention`), block number (-1 for `embedding`), part and parameters by name."""

    name: str
    block: int
    part: str
    parameters: dict[str, nn.Parameter]

    @property
    def num_parameters(self) -> int:
        """Number of scalars; a tied weight counts once."""
        return sum(parameter.numel() for parameter in self.parameters.values())


def sublayers(model: nn.Module) -> list[Sublayer]:
    """Return the model's units in order of depth, `embedding` last.

    Raises TglError for an architecture whose blocks are not known here, or whose blocks hold a child that
    belongs to no sublayer.
    """
    kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    if kind not in _LAYOUTS:
        raise TglError(
            f"model type '{kind}': its blocks are not known; known are {', '.join(sorted(_LAYOUTS))}. "
            f"Found the children {[name for name, _ in model.named_children()]}"
        )
    path, parts = _LAYOUTS[kind]
    unit_of_child = {child: part for part, children in parts.items() for child in children}
    units: dict[tuple[int, str], dict[str, nn.Parameter]] = {}
    rest: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters():  # tied weights appear once
        if not name.startswith(path + "."):
            rest[name] = parameter
            continue
        block, child = name[len(path) + 1 :].split(".")[:2]
        if child not in unit_of_child:
            raise TglError(
                f"parameter '{name}': '{child}' is no known child of a {kind} block "
                f"({', '.join(unit_of_child)})"
            )
        units.setdefault((int(block), unit_of_child[child]), {})[name] = parameter
    if not units:
        raise TglError(f"model type '{kind}': no block found at '{path}'; the model has no sublayers to rank")
    order = list(parts)
    found = [
        Sublayer(f"block{block:02d}.{part}", block, part, units[block, part])
        for block, part in sorted(units, key=lambda unit: (unit[0], order.index(unit[1])))
    ]
    return [*found, Sublayer(EMBEDDING, -1, EMBEDDING, rest)]


def ranked(units: list[Sublayer]) -> Iterator[Sublayer]:
    """Yield the units that a plan chooses among: all but `embedding`."""
    return (unit for unit in units if unit.name != EMBEDDING)
