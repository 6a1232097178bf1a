"""The processes of one run: a single one, or several that `tgl.cli.launch` or torchrun started.

Each process has one GPU or a share of the cores, and all run the same program. The first process writes, decides and
measures, while the others wait (`on_first`). The environment variables RANK, LOCAL_RANK and WORLD_SIZE identify a
process.
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

from tgl.core.errors import TglError

Result = TypeVar("Result")

# The first process may score or profile a large model for hours while the others wait. This timeout does not detect
# dead processes; closed connections and the launcher do.
_PATIENCE = datetime.timedelta(hours=24)
# After this many seconds, a process exits even if it could not destroy its group.
_DESTROYED_WITHIN = 10
# Keys of the run's store, and the exit status of a process that ends only because another process ended.
DONE, SPOKEN, LOST_PEER = "tgl/done", "tgl/spoken", 75


def rank() -> int:
    """Return the number of this process in the run, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return the number of processes of the run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Return whether this is the first process, which writes files and logs."""
    return rank() == 0


def join() -> None:
    """Join the run's process group, unless done before. A single process forms a group of one, which needs no port.

    `leave` destroys the group; otherwise it is destroyed when the interpreter exits.
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
    """Destroy the process group and end this process.

    Args:
        status: The exit status. With 0, the process first waits until all processes are done.
    """
    if status == 0 and world_size() > 1:
        _wait_for_all()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # The reader of the stream may be gone.
            stream.flush()
    # Destroying the group waits for its threads, which can hang in a collective operation that never ends.
    late = threading.Timer(_DESTROYED_WITHIN, os._exit, [status])
    late.daemon = True
    late.start()
    _destroy()
    # sys.exit would not work: libraries keep references to parts of the group. Their threads still run when the
    # interpreter shuts down and abort the process ("terminate called without an active exception").
    os._exit(status)


def _wait_for_all() -> None:
    """Record that this process is done; return when all are, or when the store has ended with the first process."""
    with contextlib.suppress(RuntimeError, KeyError):  # KeyError: RANK is set, but there is no store.
        store = _store()
        store.add(DONE, 1)
        while store.add(DONE, 0) < world_size():
            time.sleep(0.02)


def _store() -> distributed.TCPStore:
    """Return a new connection to the run's store, which also works if the group is broken."""
    return distributed.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        timeout=datetime.timedelta(seconds=30),
    )


def has_group() -> bool:
    """Return whether this process has joined its run's process group."""
    return distributed.is_initialized()


def _destroy() -> None:
    if has_group():
        distributed.destroy_process_group()


def first_to_speak() -> bool:
    """Return whether this process is the first to report a failure of the run, so that only one reports it."""
    if world_size() == 1:
        return True
    if not is_first():
        time.sleep(0.5)  # If several processes fail together, the first one has the best message.
    try:
        return _store().add(SPOKEN, 1) == 1
    except (RuntimeError, KeyError):  # There is no store.
        return True


def lost_peer(error: BaseException) -> bool:
    """Return whether an error of a collective operation only means that another process has ended."""
    return world_size() > 1 and (
        isinstance(error, distributed.DistError)
        or (isinstance(error, RuntimeError) and "gloo/transport" in str(error))
    )


def on_first(function: Callable[[], Result]) -> Result:
    """Call `function` only in the first process, and return its result in all processes.

    Raises:
        TglError: In all processes, if `function` raises it. Any other exception is raised in the first process, and
            the others raise TglError.
    """
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
        except BaseException as error:  # The other processes must get the error, or they would wait for ever.
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
    """Return the sum of `values` over all processes.

    Args:
        values: A tensor on any device, with the same shape in each process. It is changed in place.
    """
    if world_size() > 1:
        distributed.all_reduce(values)
    return values


def first_only(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return `say` in the first process, and in the others a function that does nothing."""
    return say if is_first() else lambda text: None
