"""Attention heads as units: the rows and columns of an attention's matrices that belong to one head.

A head has its rows of the query, key and value matrices and its columns of the output matrix. Where several query heads
share keys and values (grouped-query attention, Ainslie et al. 2023, arXiv 2305.13245), those are units of their own.
What belongs to no head, such as norms and the output's bias, forms the unit `rest` of its sublayer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from tgl.core.errors import TglError
from tgl.models.structure import ATTENTION
from tgl.models.sublayers import Slice, Sublayer, unwrapped

_OUTPUTS = ("o_proj", "out_proj", "c_proj", "dense")
_SEPARATE = ("q_proj", "k_proj", "v_proj")
Member = tuple[nn.Module, bool, torch.Tensor]


def head_units(model: nn.Module, units: Iterable[Sublayer]) -> Iterator[Sublayer]:
    """Yield the heads of every attention sublayer, with the other sublayers as they are.

    Raises:
        TglError: The matrices of an attention are not known, or their sizes do not fit its number of heads.
    """
    for unit in units:
        if unit.part != ATTENTION:
            yield unit
            continue
        module = _attention(model, unit)
        found = _heads(module, f"{unit.name} ({type(module).__name__})")
        taken: set[nn.Parameter] = set()
        for own, members in found.items():
            slices = [s for m, outputs, index in members for s in _slices(m, outputs, index)]
            taken.update(part.parameter for part in slices)
            yield Sublayer(f"{unit.name}.{own}", unit.block, unit.part, {}, slices=tuple(slices))
        rest = {key: p for key, p in unit.parameters.items() if p not in taken}
        if rest:
            owners = {key: unit.owners[key] for key in rest}
            yield Sublayer(f"{unit.name}.rest", unit.block, unit.part, rest, owners=owners)


def _attention(model: nn.Module, unit: Sublayer) -> nn.Module:
    """Return the module that holds the matrices of an attention sublayer."""
    for name, owner in unit.owners.items():
        path, _, last = name.rpartition(".")[0].rpartition(".")
        if last in ("q_proj", "c_attn", "query_key_value") and isinstance(owner, nn.Linear | Conv1D):
            return unwrapped(model).get_submodule(path)
    raise TglError(
        f"profile.unit: the heads of '{unit.name}' are not known; expected matrices named {', '.join(_SEPARATE)}, or "
        "c_attn or query_key_value. Use the unit 'module' or 'sublayer'"
    )


def _heads(module: nn.Module, where: str) -> dict[str, list[Member]]:
    """Return the members of each head: (matrix, whether the indices are those of its outputs, indices)."""
    children = dict(module.named_children())
    output = next((children[name] for name in _OUTPUTS if name in children), None)
    size = next((getattr(module, n) for n in ("head_dim", "head_size") if hasattr(module, n)), None)
    if hasattr(module, "lambda_q1"):
        raise TglError(
            f"profile.unit: {where}: its heads work in pairs (differential attention), whose outputs are not those of "
            "single heads. Use the unit 'module'"
        )
    if output is None or not isinstance(size, int):
        raise TglError(f"profile.unit: {where}: found no output matrix or head size. Use the unit 'module'")
    count = _width(output, outputs=False) // size
    place = torch.arange(count * size).view(count, size)
    members: dict[str, list[Member]] = {f"head{n:02d}": [(output, False, place[n])] for n in range(count)}
    if isinstance(children.get("c_attn"), Conv1D):  # Query, key and value one after the other, as in GPT-2.
        inputs = [(children["c_attn"], place + part * count * size) for part in range(3)]
    elif "query_key_value" in children:  # Those of one head side by side.
        step = torch.arange(count)[:, None] * 3 * size + torch.arange(size)
        inputs = [(children["query_key_value"], step + part * size) for part in range(3)]
    elif "q_proj" not in children:
        raise TglError(
            f"profile.unit: {where}: the order of its heads in {', '.join(children)} is not known. Use the unit "
            "'module'"
        )
    else:
        inputs = [(children["q_proj"], place)]
        shared = _width(children["k_proj"], outputs=True) // size
        own = torch.arange(shared * size).view(shared, size)
        groups = [f"head{n:02d}" if shared == count else f"keys_values{n:02d}" for n in range(shared)]
        for name in _SEPARATE[1:]:
            for number, group in enumerate(groups):
                members.setdefault(group, []).append((children[name], True, own[number]))
    wide = len(inputs) * count * size
    if (found := _width(inputs[0][0], outputs=True)) != wide:
        raise TglError(
            f"profile.unit: {where}: found {found} outputs for {count} heads of size {size}, expected {wide}: its "
            "heads are laid out in another way. Use the unit 'module'"
        )
    for matrix, indices in inputs:
        for number in range(count):
            members[f"head{number:02d}"].append((matrix, True, indices[number]))
    return members


def _width(matrix: nn.Module, *, outputs: bool) -> int:
    return matrix.weight.shape[_dim(matrix, outputs)]


def _dim(matrix: nn.Module, outputs: bool) -> int:
    """Return the dimension of a weight that runs over outputs or inputs; Conv1D has [in, out]."""
    return int(outputs) if isinstance(matrix, Conv1D) else int(not outputs)


def _slices(matrix: nn.Module, outputs: bool, index: torch.Tensor) -> Iterator[Slice]:
    index = index.to(matrix.weight.device)
    yield Slice(matrix.weight, _dim(matrix, outputs), index, outputs)
    if outputs and matrix.bias is not None:
        yield Slice(matrix.bias, 0, index, outputs)
