"""The workflow on a real SLURM: equal to a local run, cancelled jobs, lost nodes, what GPU jobs ask for."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.test_launch import STARTS
from tests.slurm.cluster import Cluster, call, processes_of, until
from tests.workflow.conftest import REPOSITORY, TINY, Workflow, copy_of, data_files

pytestmark = pytest.mark.slurm

SETTINGS = (
    TINY.replace("keep: [0, 6]", "keep: []").replace(
        "{synthetic", '{dates: ["20190101", "20200101"], synthetic'
    )
    + "seeds: [0, 1]\nmethods: [full, tgl_fp]\n"
)
# Training that is long enough to be hit in the middle.
LONG = SETTINGS.replace(
    "train: {steps: 6, checkpoint_steps: 2}", "train: {steps: 1000, checkpoint_steps: 50}"
)
CANCELLED, ON_LOST_NODE = "full", "tgl_fp"
SCORES = "results/tiny/scores/gpt2-2x16/{method}-plain-lr0.003/seed0/scores.parquet"


class Submitted(Workflow):
    """A run whose jobs go to the cluster by a profile, with the cluster's names given as its users are told to."""

    profile, partition = "slurm", "cpu"

    def command(self, *arguments: str) -> list[str]:
        python, _, _, *local = super().command()
        return [
            python, str(Path(__file__).with_name("impatient.py")), *local,
            "--profile", str(REPOSITORY / "profiles" / self.profile),
            "--default-resources", f"slurm_partition={self.partition}", "constraint=big", *arguments,
        ]  # fmt: skip

    @classmethod
    def copy(cls, finished: Workflow, directory: Path, settings: str) -> "Submitted":
        """Return a copy of a finished run, to go on from."""
        copy_of(finished, directory)
        return cls(directory, settings)

    def finish(self, process: subprocess.Popen) -> None:
        assert process.wait(timeout=600) == 0, (self.directory / "snakemake.log").read_text()

    def training_log(self, method: str) -> str:
        return (self.results / "logs" / "train" / f"{method}-plain-lr0.003" / "seed0.log").read_text()


def of(method: str, workflow: Workflow) -> dict[str, bytes]:
    """Return the bytes of one method's models and scores of seed 0."""
    part = f"/{method}-plain-lr0.003/seed0/"
    return {name: data for name, data in data_files(workflow.results).items() if part in name}


def assert_equal(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert expected
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def running_training(cluster: Cluster, method: str, known: set[str]) -> str | None:
    """Return the number of a method's running training job that is not among the known ones."""
    running = cluster.of_rule(f"train_wildcards_{method}_plain", "RUNNING")
    return next((job for job in running if job not in known), None)


@dataclass
class Calm:
    """A run here, the same run on the cluster, and what the controller said of each job, by its comment."""

    local: Workflow
    submitted: Submitted
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def calm(cluster, tmp_path_factory) -> Calm:
    runs = Calm(*(kind(tmp_path_factory.mktemp("run"), SETTINGS) for kind in (Workflow, Submitted)))
    process = runs.submitted.start()

    def watch() -> None:
        while process.poll() is None:
            for job, (_, comment) in cluster.jobs("RUNNING").items():
                if comment not in runs.jobs:
                    runs.jobs[comment] = cluster.show(job)
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        runs.local.run()  # next to the other, to save time
        runs.submitted.finish(process)
    finally:
        process.kill()
        watcher.join()
    runs.states = {comment: state for state, comment in cluster.jobs().values()}
    return runs


def test_a_run_on_the_cluster_gives_the_bytes_of_a_local_one(calm):
    assert_equal(data_files(calm.submitted.results), data_files(calm.local.results))
    rules = [comment.split("_wildcards_")[0] for comment in calm.jobs]
    assert (rules.count("rule_base"), rules.count("rule_train")) == (2, 4)
    assert len(rules) <= 13, f"small rules share a job: {rules}"
    assert set(calm.states) == set(calm.jobs)
    assert set(calm.states.values()) == {"COMPLETED"}


def test_jobs_of_the_cluster_start_no_job_server(calm):
    started = [
        {path.stem for path in run.results.rglob("*.log") if "job server" in path.read_text()}
        for run in (calm.submitted, calm.local)
    ]
    assert started[0] <= {"gate"}, "a rule that runs where the run was started"
    assert started[1]


def test_jobs_ask_for_what_the_profile_says(calm):
    job = calm.jobs["rule_train_wildcards_full_plain_0.003_0"]
    assert (job["Partition"], job["Features"]) == ("cpu", "big"), "given on the command line"
    assert (job["TimeLimit"], job["MinMemoryNode"]) == ("1-00:00:00", "2000M"), "in the profile, in the rule"
    assert [job[key] for key in ("NumNodes", "NumTasks", "CPUs/Task", "Requeue")] == ["1", "1", "1", "1"]
    assert not any("gpu" in value for one in calm.jobs.values() for value in one.values())


@dataclass
class Disturbed:
    """One long training that was cancelled, one whose node was lost, and both undisturbed, here."""

    local: Workflow
    runs: dict[str, Submitted]
    jobs: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def disturbed(cluster, calm, tmp_path_factory) -> Disturbed:
    methods = (CANCELLED, ON_LOST_NODE)
    folder, known = tmp_path_factory.mktemp("disturbed"), set(cluster.jobs())
    both = Disturbed(
        copy_of(calm.local, folder / "local", LONG),
        {method: Submitted.copy(calm.submitted, folder / method, LONG) for method in methods},
    )
    processes = {}
    try:
        for method, run in both.runs.items():
            processes[method] = run.start("--", SCORES.format(method=method))
            saved = run.results / "state" / "gpt2-2x16" / f"{method}-plain-lr0.003/seed0/20200101/training"
            until((saved / "progress.json").exists, f"a saved state of {method}", 240)
            both.jobs[method] = job = running_training(cluster, method, known)
            if method == CANCELLED:
                call("scancel", job)
            else:
                node = cluster.show(job)["NodeList"]
                cluster.lose_node(node, job)
                cluster.bring_back(node, job)
        both.local.run("--", *(SCORES.format(method=method) for method in methods))
        for method, run in both.runs.items():
            run.finish(processes[method])
    finally:
        for process in processes.values():
            process.kill()
    return both


def test_a_cancelled_training_job_is_submitted_again_and_goes_on(cluster, disturbed):
    assert cluster.jobs()[disturbed.jobs[CANCELLED]][0] == "CANCELLED"
    assert "resumed at step" in disturbed.runs[CANCELLED].training_log(CANCELLED)
    assert_equal(of(CANCELLED, disturbed.runs[CANCELLED]), of(CANCELLED, disturbed.local))


def test_a_training_job_whose_node_is_lost_is_queued_again_and_goes_on(cluster, disturbed):
    assert cluster.jobs()[disturbed.jobs[ON_LOST_NODE]][0] == "COMPLETED", "under its own number"
    assert "resumed at step" in disturbed.runs[ON_LOST_NODE].training_log(ON_LOST_NODE)
    assert_equal(of(ON_LOST_NODE, disturbed.runs[ON_LOST_NODE]), of(ON_LOST_NODE, disturbed.local))


@contextlib.contextmanager
def on_gpus(calm, directory: Path):
    """One training run and the scoring of the base model again, and nothing else, by the profile for GPUs."""
    workflow = Submitted.copy(calm.submitted, directory, SETTINGS)
    workflow.profile, workflow.partition = "slurm-gpu", "gpu"
    rules = ("train", "score_base")
    targets = (SCORES.format(method="full"), "results/tiny/scores/gpt2-2x16/base/seed0/scores.parquet")
    process = workflow.start("--forcerun", *rules, "--allowed-rules", *rules, "--", *targets)
    try:
        yield workflow, process
    finally:
        process.send_signal(signal.SIGINT)  # as Ctrl-C does
        process.wait(timeout=60)


def given_gpus(job: str) -> set[str]:
    """Return on which nodes the processes of a training job run, and which GPUs they see."""
    found = set()
    for pid in processes_of(job):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
            variables = dict(line.split("=", 1) for line in lines if "=" in line)
            if "LOCAL_RANK" in variables:
                found.add(f"{variables['SLURMD_NODENAME']}: GPU {variables.get('CUDA_VISIBLE_DEVICES')}")
    return found


def test_gpu_jobs_ask_for_the_gpus_of_one_node_and_one_task(cluster, calm, tmp_path, monkeypatch):
    """Nothing runs: the partition is closed."""
    monkeypatch.setenv("TGL_GPUS", "2")
    monkeypatch.setenv("TGL_GPU_MODEL", "a100")
    call("scontrol", "update", "partition=gpu", "state=down")
    try:
        with on_gpus(calm, tmp_path / "run"):
            jobs = {}
            for rule in ("train", "score_base"):
                (number,) = until(lambda rule=rule: cluster.of_rule(rule, "PENDING"), f"{rule} is submitted")
                jobs[rule] = cluster.show(number)
    finally:
        call("scontrol", "update", "partition=gpu", "state=up")
    assert jobs["train"]["TresPerNode"] == "gres:gpu:a100:2"
    assert jobs["score_base"]["TresPerJob"] == "gres:gpu:a100:1"
    asked = {
        rule: [job[key] for key in ("NumTasks", "CPUs/Task", "MinMemoryNode")] for rule, job in jobs.items()
    }
    assert asked == {"train": ["1", "8", "64G"], "score_base": ["1", "4", "32G"]}
    assert {job["NumNodes"] for job in jobs.values()} <= {"1", "1-1"}
    assert cluster.jobs("PENDING") == {}, "an interrupted run cancels its jobs"


def test_a_training_run_on_two_nodes(cluster, calm, tmp_path, monkeypatch):
    """One process on each, which see the GPU given to them and meet; they compute on the CPU."""
    monkeypatch.setenv("TGL_NODES", "2")
    known = set(cluster.jobs())
    with on_gpus(calm, tmp_path / "run") as (workflow, process):
        job = until(lambda: running_training(cluster, "full", known), "the training job runs", 120)
        asked = cluster.show(job)
        given = {f"{node}: GPU 0" for node in (cluster.first, cluster.second)}
        until(lambda: given_gpus(job) == given or process.poll() is not None, "a process on each node", 240)
        workflow.finish(process)
    assert (asked["NumNodes"], asked["NumTasks"], asked["TresPerNode"]) == ("2", "2", "gres:gpu:1")
    assert cluster.jobs()[job][0] == "COMPLETED"


def test_starts_and_ends_of_two_nodes_in_a_row(cluster, tmp_path):
    """The exit barrier, the end of the groups and the exit of each node; `make test-faults` does 50."""
    python = f"{sys.executable} -m tests.cli.several several {tmp_path} well --processes 1 --nodes 2"
    output = submitted(cluster, tmp_path, f"for i in $(seq {STARTS}); do {python} || exit 1; done")
    assert output == "done\n" * STARTS


@pytest.mark.parametrize("ending", ["killed", "starter killed", "error of one", "aborted late"])
def test_what_happens_on_one_of_two_nodes_ends_both_within_seconds(cluster, tmp_path, ending):
    start = time.monotonic()
    python = f"{sys.executable} -m tests.cli.several several {tmp_path} '{ending}' --processes 1 --nodes 2"
    output = submitted(cluster, tmp_path, f"{python}; echo status $?")
    assert time.monotonic() - start < 150, "not after 300 s at a barrier"
    assert output.endswith("status 0\n") == (ending == "aborted late")
    if ending == "killed":
        assert "was killed by SIGKILL" in output
    if ending == "error of one":
        said = [line for line in output.splitlines() if line.startswith("tgl")]
        assert said == ["tgl several: an error of one process"]


def submitted(cluster: Cluster, folder: Path, script: str) -> str:
    """Run a script in an allocation of two nodes and return what it prints."""
    output = folder / "output"
    call(
        "sbatch", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", f"--output={output}", f"--chdir={REPOSITORY}",
        "--export=ALL,OMP_NUM_THREADS=1", "--wrap", script, f"--comment={folder.name}",
    )  # fmt: skip
    until(
        lambda: folder.name in {c for s, c in cluster.jobs("COMPLETED,FAILED").values()}, "the job ends", 3000
    )
    return output.read_text()
