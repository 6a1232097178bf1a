"""Snakemake, looking at its SLURM jobs each second: the plugin looks ever more rarely, and here jobs take seconds."""

import asyncio
import signal

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor


async def a_second(executor: Executor) -> None:
    await asyncio.sleep(1)


if __name__ == "__main__":
    Executor.sleep = a_second
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    main()
