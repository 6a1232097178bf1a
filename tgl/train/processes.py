"""The processes of one run: one alone, or several that torchrun has started, one a GPU or a share of the cores.

All of them run the same program. What is written, decided or measured once is done by the first process, while the
others wait (`on_first`). torchrun's environment variables RANK, LOCAL_RANK and WORLD_SIZE say which process is which.
"""

from __future__ import annotations

import atexit
import datetime
import os
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import distributed

from tgl.errors import TglError

Result = TypeVar("Result")

# The first process may score or profile a large model for long, while the others wait.
_PATIENCE = datetime.timedelta(hours=24)


def rank() -> int:
    """Return this process's number among all of the run, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return the number of processes of the run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this is the process that writes and speaks."""
    return rank() == 0


def join() -> None:
    """Join the run's process group, once; a process that is alone makes a group of one, which needs no port."""
    if distributed.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    if world_size() > 1:
        distributed.init_process_group(backend, timeout=_PATIENCE)
    else:
        store = distributed.HashStore()
        distributed.init_process_group(backend, store=store, rank=0, world_size=1, timeout=_PATIENCE)
    # The group's threads must end before the interpreter does, or they take the process down with them.
    atexit.register(_leave)


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def on_first(function: Callable[[], Result]) -> Result:
    """Call `function` in the first process alone and return its result, or raise its TglError, in all of them."""
    if world_size() == 1:
        return function()
    join()
    answer: list = [None, None]
    failure: BaseException | None = None
    if is_first():
        try:
            answer[0] = function()
        except TglError as error:
            answer[1] = str(error)
        except BaseException as error:  # told to the others, so that they do not wait for ever
            failure, answer[1] = error, f"the first process failed: {type(error).__name__}: {error}"
    distributed.broadcast_object_list(answer, src=0)
    if failure is not None:
        raise failure
    if answer[1] is not None:
        raise TglError(answer[1])
    return answer[0]


def total(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of `values` (on any device, the same shape in each process) over all processes."""
    if world_size() > 1:
        distributed.all_reduce(values)
    return values


def first_only(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return `say` in the first process, and in the others a function that says nothing."""
    return say if is_first() else lambda text: None
