"""The environment of jobs: which interpreter and which package they find."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod
from snakemake.shell import shell

import tgl
from tgl.core.reusable import REUSE
from tgl.jobs.place import SWITCH


def set_environment(workflow, root: str) -> None:
    """Set environment variables so that jobs find this interpreter and this package.

    A conda environment, if requested, takes precedence. Local jobs that use this interpreter are forked by a server
    (`tgl.jobs`).

    Args:
        workflow: Snakemake's workflow.
        root: The folder of the Snakefile, in which the package may lie.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    if conda:
        # Snakemake removes PYTHONPATH before it activates a conda environment. What is exported here comes
        # after that. A prefix is a format string.
        folder = shlex.quote(str(package_alone()))
        shell.prefix(f"set -euo pipefail; export PYTHONPATH={folder}; ".replace("{", "{{").replace("}", "}}"))
    if workflow.remote_exec or conda:
        # A server for the one command of a cluster's job would not pay. The main process, which does not know yet
        # where its jobs will run, has set the variable.
        os.environ.pop(SWITCH, None)
    elif workflow.is_main_process:
        os.environ.setdefault(SWITCH, "1")


def offer_artifacts(results: str, wanted: bool) -> None:
    """Let jobs copy their outputs from the experiments next to this one (`tgl.provenance.reuse`), or not."""
    if wanted:
        os.environ[REUSE] = results
    else:
        os.environ.pop(REUSE, None)


def package_alone() -> Path:
    """Return a folder from which another interpreter imports this package, and no other package of this environment.

    An installed tgl lies among all packages of its environment, and those of a conda environment must come first.
    """
    folder = Path(".snakemake", "package").absolute()
    link, target = folder / "tgl", Path(tgl.__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.readlink() != target:
        # Jobs of one run make it at the same time: each renames a link of its own over it.
        own = folder / f".tgl-{os.uname().nodename}-{os.getpid()}"
        own.symlink_to(target)
        own.replace(link)
    return folder
