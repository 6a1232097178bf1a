"""The processes of one run: one alone, or several that `tgl.cli.launch` or torchrun has started, one a GPU or a share
of the cores.

All of them run the same program. What is written, decided or measured once is done by the first process, while the
others wait (`on_first`). The environment variables RANK, LOCAL_RANK and WORLD_SIZE say which process is which.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import torch
from torch import distributed

from tgl.errors import TglError

Result = TypeVar("Result")

# The first process may score or profile a large model for long, while the others wait. A process that dies is noticed
# by its closed connections and by whoever started it, not by this.
_PATIENCE = datetime.timedelta(hours=24)
# Seconds until a process that cannot destroy its group exits without.
_DESTROYED_WITHIN = 10
# Keys of the run's store, and the exit status of a process that only noticed the end of another one.
DONE, SPOKEN, LOST_PEER = "tgl/done", "tgl/spoken", 75


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
    """Join the run's process group, once; a process that is alone makes a group of one, which needs no port.

    The group is destroyed by `leave`, or else when the interpreter exits.
    """
    if has_group():
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
    atexit.register(_destroy)


def leave(status: int) -> NoReturn:
    """End this process with an exit status: wait until all processes are done (status 0), destroy the group, exit.

    A process that failed waits for nobody.
    """
    if status == 0 and world_size() > 1:
        _wait_for_all()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    # A collective that will never end would hold up the group's threads, which are waited for.
    late = threading.Timer(_DESTROYED_WITHIN, os._exit, [status])
    late.daemon = True
    late.start()
    _destroy()
    # Not sys.exit: libraries keep references to parts of the group. Their threads still run when the interpreter takes
    # itself apart, and abort the process ("terminate called without an active exception"), although all is written.
    os._exit(status)


def _wait_for_all() -> None:
    """Record that this process has done its work; return when all have, or when the store is gone with the first."""
    with contextlib.suppress(RuntimeError, KeyError):  # KeyError: RANK is set, and nobody offers a store
        store = _store()
        store.add(DONE, 1)
        while store.add(DONE, 0) < world_size():
            time.sleep(0.02)


def _store() -> distributed.TCPStore:
    """Return a new connection to the store that the processes met at; it serves also where the group is broken."""
    return distributed.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        timeout=datetime.timedelta(seconds=30),
    )


def has_group() -> bool:
    """Tell whether this process has joined its run's process group."""
    return distributed.is_initialized()


def _destroy() -> None:
    if has_group():
        distributed.destroy_process_group()


def first_to_speak() -> bool:
    """Tell whether this process is the first to report a failure of the run: one failure, one message."""
    if world_size() == 1:
        return True
    if not is_first():
        time.sleep(0.5)  # the first process knows most, where several fail together
    try:
        return _store().add(SPOKEN, 1) == 1
    except (RuntimeError, KeyError):  # no store
        return True


def lost_peer(error: BaseException) -> bool:
    """Tell whether an error of a collective operation says no more than that another process has ended."""
    return world_size() > 1 and (
        isinstance(error, distributed.DistError)
        or (isinstance(error, RuntimeError) and "gloo/transport" in str(error))
    )


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
    try:
        distributed.broadcast_object_list(answer, src=0)
    except RuntimeError:
        if failure is None:
            raise
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
