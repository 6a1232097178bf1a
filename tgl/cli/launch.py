"""Several processes for one stage: the program starts itself as often as asked, and watches over what it started.

torchrun can start the processes as well; it is not used here because it exits with a status of its own, prints pages
about a failure that a process has reported, and waits 300 seconds for a node whose work failed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from tgl.cli.supervise import PARENT, end_with_parent, supervise
from tgl.core.errors import TglError

# Set in the tasks that srun starts, one a node: this program again, which starts the node's processes.
_NODE = "TGL_NODE_OF"


def start(processes: int, nodes: int) -> None:
    """Run this program in `processes` processes on each of `nodes` nodes, and exit with their status.

    Returns where there is one process alone, and in a process that this function or torchrun has started. Several
    nodes: inside a SLURM allocation. Raises TglError where there is none.
    """
    if "RANK" in os.environ:
        found = os.environ.get("WORLD_SIZE", "1")
        if processes * nodes > 1 and found != str(processes * nodes):
            raise TglError(
                f"--processes, --nodes: {processes * nodes} processes asked for, and the variables RANK and WORLD_SIZE "
                f"make this one of {found}; expected no RANK. Unset it, or leave out both options under torchrun"
            )
        end_with_parent()
        return
    if processes * nodes == 1:
        return
    if _NODE in os.environ:
        # Takes seconds, and so comes before there is anything to watch.
        from tgl.train.processes import LOST_PEER, first_to_speak

        first = int(os.environ["SLURM_PROCID"]) * processes
        sys.exit(supervise(_local(processes, first), lambda: False, first_to_speak, lost_peer=LOST_PEER))
    if nodes > 1 and "SLURM_JOB_ID" not in os.environ:
        raise TglError(
            "--nodes: several nodes are started by srun inside a SLURM allocation, and SLURM_JOB_ID is not set; "
            "elsewhere start torchrun on each node yourself"
        )
    sys.exit(_meet(processes, nodes))


def _meet(processes: int, nodes: int) -> int:
    """Offer the store where all processes meet, start them, and return the exit status of the whole."""
    from torch import distributed

    from tgl.train.processes import DONE, LOST_PEER, first_to_speak

    size = processes * nodes
    # Port 0: the system chooses a free one. The store stays in this process, which outlives the others.
    store = distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    os.environ |= {
        "MASTER_ADDR": "localhost" if nodes == 1 else socket.gethostname(),
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(processes),
        # PyTorch's way to say that no process has to offer the store.
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        # Without it each process would take a thread for every core.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }
    started = _local(processes, 0) if nodes == 1 else {"srun": _srun(nodes)}
    return supervise(started, lambda: store.add(DONE, 0) == size, first_to_speak, lost_peer=LOST_PEER)


def _local(processes: int, first: int) -> dict[str, subprocess.Popen]:
    """Start this node's processes, whose ranks begin at `first`; return them by name."""
    return {
        f"rank {first + number}": subprocess.Popen(
            _program(),
            env=os.environ
            | {"RANK": str(first + number), "LOCAL_RANK": str(number), PARENT: str(os.getpid())},
        )
        for number in range(processes)
    }


def _srun(nodes: int) -> subprocess.Popen:
    options = [
        "--overlap",  # next to the step that this program itself runs in, whose cores it may use
        f"--nodes={nodes}",
        f"--ntasks={nodes}",
        "--ntasks-per-node=1",
        "--kill-on-bad-exit=1",  # a node that failed ends the others
        "--quiet",  # which is reported here already
    ]
    return subprocess.Popen(["srun", *options, *_program()], env=os.environ | {_NODE: socket.gethostname()})


def _program() -> list[str]:
    return [sys.executable, *sys.orig_argv[1:]]
