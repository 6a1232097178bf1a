"""A stage of several processes in a second: python -m tests.cli.several FOLDER ENDING --processes 2 --nodes 1

It begins and ends as every stage of the command line does. The first process writes `FOLDER/done`. ENDING is what
happens then, or before.
"""

import os
import signal
import time
from pathlib import Path

import torch
from torch import distributed

from tgl.cli import launch, main
from tgl.cli.app import _MODULES
from tgl.cli.command import command, say
from tgl.core.errors import TglError
from tgl.train import processes as several

# Libraries keep groups to themselves, whose threads then outlive the group.
KEPT = []


@command("several")
def run(folder: Path, ending: str, processes: int = 2, nodes: int = 1, state: str = "") -> None:
    launch.start(processes, nodes)
    several.join()
    KEPT.extend(distributed.new_group() for _ in range(4))
    for group in KEPT:
        distributed.all_reduce(torch.ones(1000), group=group, async_op=True)
    last = several.rank() == several.world_size() - 1
    if ending == "error":
        raise TglError("the same error in every process")
    if ending == "error of one" and last:
        raise TglError("an error of one process")
    if ending == "exception":
        raise ValueError("a fault of the program")
    if ending == "killed" and last:
        os.kill(os.getpid(), signal.SIGKILL)
    if ending == "starter killed" and last:
        os.kill(os.getppid(), signal.SIGKILL)
    if ending == "reports late":
        speaks = several.first_to_speak
        several.first_to_speak = lambda: time.sleep(2) or speaks()
    if ending in ("waits", "reports late", "starter killed"):
        several.on_first(lambda: (folder / "begun").touch())
        time.sleep(600)
    assert several.total(torch.ones(1)).item() == processes * nodes
    several.on_first((folder / "done").touch)
    several.first_only(say)("done")
    if ending == "aborted late" and last:
        several.distributed.destroy_process_group = os.abort


if __name__ == "__main__":
    _MODULES["several"] = "command"  # where it is registered already
    main()
