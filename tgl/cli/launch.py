"""Several processes for one stage: the program replaces itself by torchrun, which starts it again as often as asked."""

from __future__ import annotations

import os
import socket
import sys

from tgl.errors import TglError

# Seconds that processes get, once they are told to end, to finish their step and save their state.
_PATIENCE = 600


def start(processes: int, nodes: int) -> None:
    """Make this program run in `processes` processes on each of `nodes` nodes: replace it by torchrun.

    Does nothing for one process, and in a process that torchrun has started. Several nodes: inside a SLURM
    allocation, where srun starts torchrun once a node and they meet on the first.
    """
    if processes * nodes == 1 or "RANK" in os.environ:
        return
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nnodes={nodes}",
        f"--nproc-per-node={processes}",
        f"--shutdown-timeout={_PATIENCE}",
    ]
    if nodes == 1:
        command = [*torchrun, "--standalone"]
    else:
        command = [*_srun(nodes), *torchrun, *_rendezvous()]
    command += ["-m", "tgl", *sys.argv[1:]]
    os.execvp(command[0], command)


def _srun(nodes: int) -> list[str]:
    # Beside the step that this program itself runs in, whose cores it may use.
    return ["srun", "--overlap", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]


def _rendezvous() -> list[str]:
    """Return torchrun's options for meeting on this node, the first of the SLURM job."""
    # Of the SLURM job's variables no more than its number gets through Snakemake.
    if not (job := os.environ.get("SLURM_JOB_ID")):
        raise TglError(
            "--nodes: several nodes are started by srun inside a SLURM allocation, and SLURM_JOB_ID is not set; "
            "elsewhere start torchrun on each node yourself"
        )
    port = 29400 + int(job) % 1000  # two jobs that share a node must not meet each other
    return ["--rdzv-backend=c10d", f"--rdzv-endpoint={socket.gethostname()}:{port}", f"--rdzv-id={job}"]
