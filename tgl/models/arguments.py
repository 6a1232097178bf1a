"""Check that the blocks of a model get values from each other only as arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from tgl.core.errors import TglError


class Watch(TorchDispatchMode):
    """Records which memory a block writes, and refuses that it reads what another block wrote and did not return to it.

    made: The tensors that blocks made, with the block, by address. It keeps them, so that no address is used again.
    """

    def __init__(
        self,
        block: nn.Module,
        arguments: Iterable[torch.Tensor],
        made: dict[int, tuple[nn.Module, torch.Tensor]],
    ) -> None:
        super().__init__()
        self.block, self.made = block, made
        self.given = {_address(tensor) for tensor in (*arguments, *block.parameters(), *block.buffers())}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for tensor in _tensors((args, kwargs)):
            address = _address(tensor)
            maker, _ = self.made.get(address, (self.block, None))
            if maker is not self.block and address not in self.given and tensor.is_floating_point():
                raise TglError(
                    f"{type(self.block).__name__}: uses values of another block that are not among its arguments, such "
                    "as shared keys and values. Such a model cannot be read block by block. Load it without stream"
                )
        found = func(*args, **(kwargs or {}))
        for tensor in _tensors(found):
            if _address(tensor) not in self.given:
                self.made.setdefault(_address(tensor), (self.block, tensor))
        return found


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(values: object) -> Iterator[torch.Tensor]:
    # Tensors without elements, such as the tokens of an idle expert, carry no values and share the address 0.
    return (value for value in tree_flatten(values)[0] if isinstance(value, torch.Tensor) and value.numel())
