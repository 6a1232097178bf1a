"""The linear maps of a model, their rows, and the neurons of an MLP.

A row is all weights of one output: a row of the weight of nn.Linear, a column of that of GPT-2's Conv1D, and an entry
of the bias. A neuron of an MLP is one input of its last linear map (down): the column of `down` that reads it, and the
rows of the other maps (up, gate) that produce it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from tgl.core.errors import TglError
from tgl.core.vocabulary import EMBEDDING
from tgl.models.mode import measuring
from tgl.models.sublayers import Sublayer


@dataclass(frozen=True)
class LinearMap:
    """One linear map.

    Attributes:
        name: The path of the module.
        module: The module, nn.Linear or Conv1D.
        unit: The sublayer that contains it.
    """

    name: str
    module: nn.Module
    unit: str

    @property
    def outputs(self) -> int:
        """Return the dimension of the weight that runs over the outputs."""
        return 1 if isinstance(self.module, Conv1D) else 0

    @property
    def num_outputs(self) -> int:
        """Number of outputs, which is the number of rows."""
        return self.module.weight.shape[self.outputs]

    @property
    def num_inputs(self) -> int:
        """Number of inputs."""
        return self.module.weight.shape[1 - self.outputs]

    def spread(self, chosen: torch.Tensor, dimension: int) -> torch.Tensor:
        """Return a mask of the weight from a mask of one of its dimensions."""
        shape = [1, 1]
        shape[dimension] = -1
        return chosen.view(shape).expand_as(self.module.weight)

    def masks(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return masks of weight and bias, by parameter name, that select rows (bool [num_outputs])."""
        found = {f"{self.name}.weight": self.spread(rows, self.outputs)}
        if self.module.bias is not None:
            found[f"{self.name}.bias"] = rows
        return found


@dataclass(frozen=True)
class Mlp:
    """The linear maps of an MLP.

    Attributes:
        unit: The name of the sublayer.
        before: The maps whose outputs are the neurons. A map with gate and up in one weight has two rows a neuron.
        down: The map that reads the neurons.
    """

    unit: str
    before: tuple[LinearMap, ...]
    down: LinearMap

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""
        return self.down.num_inputs

    def masks(self, neurons: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return masks of the parameters that belong to neurons (bool [num_neurons]), by parameter name.

        The bias of `down` belongs to no neuron, so no mask selects it.
        """
        found: dict[str, torch.Tensor] = {}
        for linear in self.before:
            found |= linear.masks(neurons.repeat(linear.num_outputs // len(neurons)))
        found[f"{self.down.name}.weight"] = self.down.spread(neurons, 1 - self.down.outputs)
        return found


def linear_maps(units: Iterable[Sublayer]) -> list[LinearMap]:
    """Return the linear maps of the sublayers, in order."""
    found = []
    for unit in units:
        for name in unit.parameters:
            path, _, leaf = name.rpartition(".")
            if leaf == "weight" and type(unit.owners[name]) in (nn.Linear, Conv1D):
                found.append(LinearMap(path, unit.owners[name], unit.name))
    return found


def check_linear(units: Iterable[Sublayer], what: str) -> list[LinearMap]:
    """Return the linear maps of sublayers that are to be trained by rows.

    The unit embedding may have any matrix. Its linear maps, such as an untied head, are trained by rows, too.

    Args:
        units: The sublayers.
        what: What trains by rows, for the message.

    Raises:
        TglError: A sublayer has no linear map, or a matrix outside its linear maps, such as stacked experts, a
            convolution or recurrent weights. It would be trained whole.
    """
    found = []
    for unit in units:
        own = linear_maps([unit])
        others = _others(unit, own)
        if unit.name != EMBEDDING and (not own or others):
            names = ", ".join(linear.name for linear in own) or "none"
            raise TglError(
                f"{what}: {unit.name}: found the linear maps {names}{others}; expected linear maps and no other "
                "matrix, because only the rows of linear maps can be chosen. Use another baseline for this model"
            )
        found += own
    return found


def mlps(model: nn.Module, units: Sequence[Sublayer]) -> list[Mlp]:
    """Return the MLPs among the sublayers, in order.

    The map that runs last in a forward pass is `down`.

    Args:
        model: The language model that contains the sublayers.
        units: The sublayers.

    Raises:
        TglError: A sublayer `mlp` is not a chain of dense linear maps through one layer of neurons, such as a mixture
            of experts.
    """
    wanted = {unit.name: unit for unit in units if unit.part == "mlp"}
    order: list[nn.Module] = []
    maps = {name: linear_maps([unit]) for name, unit in wanted.items()}
    handles = [
        linear.module.register_forward_hook(lambda module, *_: order.append(module))
        for found in maps.values()
        for linear in found
    ]
    try:
        with measuring(model), torch.no_grad():
            device = next(model.parameters()).device
            model(input_ids=torch.zeros(1, 2, dtype=torch.int64, device=device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    place = {id(module): number for number, module in enumerate(order)}
    found = []
    for name, own in maps.items():
        ran = sorted(
            (linear for linear in own if id(linear.module) in place),
            key=lambda linear: place[id(linear.module)],
        )
        if (
            len(ran) < 2
            or len(ran) < len(own)
            or any(each.num_outputs % ran[-1].num_inputs for each in ran[:-1])
            or _others(wanted[name], own)
        ):
            shapes = (
                ", ".join(f"{each.name} {each.num_inputs} -> {each.num_outputs}" for each in own) or "none"
            )
            raise TglError(
                f"{name}: found the linear maps {shapes}{_others(wanted[name], own)}; expected dense maps into one "
                "layer of neurons and one map out of it. Neurons of this architecture are not supported; choose whole "
                "sublayers"
            )
        found.append(Mlp(name, tuple(ran[:-1]), ran[-1]))
    return found


def _others(unit: Sublayer, maps: Iterable[LinearMap]) -> str:
    """Return the matrices of a sublayer that are not among its linear maps, as text, such as stacked experts."""
    own = {f"{linear.name}.weight" for linear in maps}
    others = [
        f"{name} {list(value.shape)}"
        for name, value in unit.parameters.items()
        # A vector may have dimensions of size 1.
        if sum(size > 1 for size in value.shape) > 1 and name not in own
    ]
    return f" and the weights {', '.join(others)}" if others else ""
