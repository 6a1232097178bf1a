"""A SLURM cluster on this machine: a controller and two nodes, whose cores, memory and GPUs are only claimed.

Everything lies in one folder but the configuration: clients look for it in /etc/slurm, and the Snakemake plugin drops
the environment variable that could name another place.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CONFIGURATION = Path("/etc/slurm")
MARK = "# Written by the tests of tgl, and removed by them."
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel")

# AuthInfo: a requeued job may start again as soon as its credential has run out. MinJobAge: seconds for which squeue
# still knows an ended job. KillWait: seconds between SIGTERM and SIGKILL. config_overrides: believe what is claimed.
SLURM_CONF = """{mark}
ClusterName=tgl
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=3600
BatchStartTimeout=1
KillWait=10
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=DEFAULT CPUs=16 RealMemory=128000 Gres=gpu:a100:4 Feature=big
NodeName={first} NodeHostname=machine NodeAddr=127.0.0.1 Port=16818
NodeName={second} NodeHostname=machine NodeAddr=127.0.0.1 Port=16819
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=500
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP DefMemPerCPU=500
"""
# Device files of the null device stand in for GPUs; a plain file would be refused.
GRES_CONF = """{mark}
Name=gpu Type=a100 File={folder}/nvidia[0-3] Flags=nvidia_gpu_env
"""


def missing() -> str | None:
    """Return why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "a cluster of one's own needs root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: slurmctld slurmd slurm-client munge)"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "not installed: snakemake-executor-plugin-slurm (pip install -c constraints.txt -e '.[slurm]')"
    conf = CONFIGURATION / "slurm.conf"
    if conf.exists() and not conf.read_text().startswith(MARK):
        return f"{conf} is somebody else's"
    return None


def call(*command: str) -> str:
    """Run a command and return what it prints; say what it complained of when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def until(condition, what: str, seconds: float = 60):
    """Wait until a condition holds, and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.1)
    return value


class Cluster:
    """Daemons of munge and SLURM in a folder; the names of nodes must resolve where processes meet on the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first = socket.gethostname()
        self.second = f"{self.first}-second"

    def start(self) -> None:
        _stop_leftover()
        for name in ("state", "key"):
            (self.folder / name).mkdir()
        for number in range(4):
            os.mknod(self.folder / f"nvidia{number}", 0o20666, os.makedev(1, 3))
        names = {"mark": MARK, "folder": self.folder, "first": self.first, "second": self.second}
        CONFIGURATION.mkdir(exist_ok=True)
        (CONFIGURATION / "slurm.conf").write_text(SLURM_CONF.format(**names))
        (CONFIGURATION / "gres.conf").write_text(GRES_CONF.format(**names))
        key = self.folder / "key" / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        call(
            "munged", "--force", f"--socket={self.folder}/munge.socket", f"--key-file={key}",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/key/seed",
        )  # fmt: skip
        call("slurmctld")
        for node in (self.first, self.second):
            self.start_node(node)
        until(lambda: self.states("idle") == {self.first, self.second}, "both nodes idle")

    def stop(self) -> None:
        """End every daemon, then what is left of jobs, and remove the configuration."""
        if self._pid("slurmctld"):
            subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=60)
            with contextlib.suppress(
                AssertionError
            ):  # a node that is away never says that its jobs have ended
                until(lambda: not self.jobs("RUNNING,COMPLETING"), "no job left", 30)
        for name in ("slurmctld", f"slurmd.{self.first}", f"slurmd.{self.second}", "munged"):
            if pid := self._pid(name):
                os.kill(pid, signal.SIGTERM)
                until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), f"{name} ended")
        for name in ("slurm.conf", "gres.conf"):
            path = CONFIGURATION / name
            if path.exists() and path.read_text().startswith(MARK):
                path.unlink()

    def _pid(self, name: str) -> int | None:
        path = self.folder / f"{name}.pid"
        if not path.exists():
            return None
        pid, program = path.read_text().strip(), name.split(".")[0]
        command = Path(f"/proc/{pid}/comm")
        return int(pid) if command.exists() and command.read_text().strip() == program else None

    def start_node(self, node: str) -> None:
        call("slurmd", "-N", node)

    def bring_back(self, node: str, job: str) -> None:
        """Start a lost node again; the controller then misses the job and puts it back into the queue."""
        # It misses only jobs that it has heard nothing of for BatchStartTimeout and ten seconds more.
        time.sleep(15)
        self.start_node(node)
        until(lambda: self.show(job)["Restarts"] != "0", f"job {job} is queued again")

    def lose_node(self, node: str, job: str) -> None:
        """SIGKILL to a node's daemon and to every process of a job there, as when its power fails."""
        pid = self._pid(f"slurmd.{node}")
        assert pid, f"no slurmd of {node} runs"
        os.kill(pid, signal.SIGKILL)
        until(lambda: not _kill(processes_of(job)), "no process of the job left")

    def states(self, state: str) -> set[str]:
        """Return the nodes in a state."""
        return set(call("sinfo", "--noheader", "--Node", f"--states={state}", "--format=%N").split())

    def jobs(self, states: str = "all") -> dict[str, tuple[str, str]]:
        """Return state and comment of jobs that are not forgotten yet, by number; the comment names the rule."""
        lines = call("squeue", "--noheader", f"--states={states}", "--format=%i|%T|%k").splitlines()
        return {job: (state, comment) for job, state, comment in (line.split("|", 2) for line in lines)}

    def of_rule(self, rule: str, states: str = "all") -> list[str]:
        """Return the numbers of a rule's jobs that are not forgotten yet."""
        return [job for job, (_, name) in self.jobs(states).items() if name.startswith(f"rule_{rule}")]

    def show(self, job: str) -> dict[str, str]:
        """Return what the controller knows of a job, by its own names."""
        words = call("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)


def _kill(pids: list[int]) -> list[int]:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


def _stop_leftover() -> None:
    """Stop a cluster of tests that were killed before they could."""
    conf = CONFIGURATION / "slurm.conf"
    if conf.exists() and (
        found := re.search(r"^StateSaveLocation=(.*)/state$", conf.read_text(), re.MULTILINE)
    ):
        Cluster(Path(found[1])).stop()


def processes_of(job: str) -> list[int]:
    """Return the processes of a job: those with its number in their environment, and SLURM's own about it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        ours = f"SLURM_JOB_ID={job}".encode() in environment.split(b"\0")
        if ours or command.startswith(f"slurmstepd: [{job}.".encode()):
            found.append(int(folder.name))
    return found
