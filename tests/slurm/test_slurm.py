"""The workflow on a real SLURM: equal to a local run, cancelled jobs, lost nodes, what GPU jobs ask for."""

import contextlib
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import call, processes_of, until
from tests.workflow.conftest import REPOSITORY, TINY, Workflow, copy_of, data_files

pytestmark = pytest.mark.slurm

SETTINGS = TINY + "seeds: [0, 1]\nmethods: [full, tgl_fp]\n"
# Long enough to be hit in the middle, with an overwhelmed machine in mind.
LONG = SETTINGS.replace(
    "train: {steps: 6, checkpoint_steps: 2}", "train: {steps: 1500, checkpoint_steps: 50}"
)
SCORES = "results/tiny/scores/gpt2-2x16/{method}-plain-lr0.003/seed0/scores.parquet"


def on(profile: str, *arguments: str, partition: str = "cpu") -> list[str]:
    """Return Snakemake's arguments for a profile, with a cluster's names given as its users are told to."""
    return [
        "--profile", str(REPOSITORY / "profiles" / profile),
        "--default-resources", f"slurm_partition={partition}", "constraint=big",
        "--slurm-init-seconds-before-status-checks", "2",  # jobs take seconds here
        *arguments,
    ]  # fmt: skip


def tables(workflow: Workflow) -> dict[str, bytes]:
    """Return the bytes of all that a run makes, but for the manifest, which says when and where."""
    return {name: data for name, data in data_files(workflow.results).items() if "manifest" not in name}


def assert_equal(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def log_of(workflow: Workflow) -> str:
    return (workflow.directory / "snakemake.log").read_text()


def training(cluster, known: set[str]) -> str | None:
    """Return the number of a running training job that was not known before."""
    return next((job for job in cluster.of_rule("train", "RUNNING") if job not in known), None)


@pytest.fixture(scope="module")
def local(cluster, tmp_path_factory) -> Workflow:
    workflow = Workflow(tmp_path_factory.mktemp("local"), SETTINGS)
    workflow.run()
    return workflow


@pytest.fixture(scope="module")
def submitted(cluster, tmp_path_factory) -> tuple[Workflow, dict[str, dict[str, str]]]:
    """A finished run on the cluster, and what the controller said of each job while it ran, by comment."""
    workflow = Workflow(tmp_path_factory.mktemp("slurm"), SETTINGS)
    known, seen = set(cluster.jobs()), {}
    process = workflow.start(*on("slurm"))
    while process.poll() is None:
        for job, (_, comment) in cluster.jobs("RUNNING").items():
            if job not in known:
                known.add(job)
                seen[comment] = cluster.show(job)
        time.sleep(0.2)
    assert process.returncode == 0, log_of(workflow)
    return workflow, seen


@pytest.fixture(scope="module")
def undisturbed(local, tmp_path_factory) -> Workflow:
    """The long training of both methods, on this machine."""
    workflow = copy_of(local, tmp_path_factory.mktemp("undisturbed") / "run", LONG)
    workflow.run("--", *(SCORES.format(method=method) for method in ("full", "tgl_fp")))
    return workflow


def test_a_run_on_the_cluster_gives_the_bytes_of_a_local_one(cluster, local, submitted):
    workflow, seen = submitted
    assert_equal(tables(workflow), tables(local))
    rules = sorted(comment.split("_wildcards_")[0] for comment in seen)
    assert len([rule for rule in rules if rule == "rule_train"]) == 4
    assert len([rule for rule in rules if rule == "rule_base"]) == 2
    assert len(rules) <= 13, f"small rules share a job: {rules}"
    states = {state for state, comment in cluster.jobs().values() if comment in seen}
    assert states == {"COMPLETED"}


def test_jobs_ask_for_what_the_profile_says(submitted):
    _, seen = submitted
    (job,) = (
        job for comment, job in seen.items() if comment.startswith("rule_train_wildcards_full_plain_0.003_0")
    )
    assert (job["Partition"], job["Features"]) == ("cpu", "big"), "the override on the command line"
    assert (job["TimeLimit"], job["MinMemoryNode"]) == ("1-00:00:00", "2000M"), "the profile and the rule"
    assert (job["NumNodes"], job["NumTasks"], job["CPUs/Task"], job["Requeue"]) == ("1", "1", "1", "1")
    assert not any("gpu" in value for one in seen.values() for value in one.values())


def start_long(cluster, submitted, directory: Path, method: str):
    """Start the long training of one method on the cluster; return run, process and job once it is in the middle."""
    workflow = copy_of(submitted[0], directory / "run", LONG)
    known = set(cluster.jobs())
    process = workflow.start(*on("slurm", "--", SCORES.format(method=method)))
    progress = (
        workflow.results
        / "state"
        / "gpt2-2x16"
        / f"{method}-plain-lr0.003/seed0/20200101/training/progress.json"
    )
    until(lambda: progress.exists() or process.poll() is not None, "a saved state", 120)
    assert process.poll() is None, log_of(workflow)
    job = training(cluster, known)
    assert job, "the training job is over before it could be disturbed"
    return workflow, process, job


def finish(workflow: Workflow, process: subprocess.Popen, method: str) -> str:
    """Wait for the run's end and return the log of its training."""
    assert process.wait(timeout=240) == 0, log_of(workflow)
    return (workflow.results / "logs" / "train" / f"{method}-plain-lr0.003" / "seed0.log").read_text()


def of(method: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if f"/{method}-plain" in name and "/seed0/" in name}


def test_a_cancelled_training_job_is_submitted_again_and_goes_on(cluster, undisturbed, submitted, tmp_path):
    workflow, process, job = start_long(cluster, submitted, tmp_path, "full")
    call("scancel", job)
    log = finish(workflow, process, "full")
    assert "resumed at step" in log or "done before" in log
    states = {number: state for number, (state, _) in cluster.jobs().items() if int(number) >= int(job)}
    assert states.pop(job) == "CANCELLED"
    assert set(states.values()) == {"COMPLETED"}
    assert_equal(of("full", tables(workflow)), of("full", tables(undisturbed)))


def test_a_training_job_whose_node_fails_is_requeued_and_goes_on(cluster, undisturbed, submitted, tmp_path):
    workflow, process, job = start_long(cluster, submitted, tmp_path, "tgl_fp")
    node = cluster.show(job)["NodeList"]
    cluster.lose_node(node, job)
    assert processes_of(job) == []
    cluster.start_node(
        node
    )  # it comes back without the job, which the controller then puts into the queue again
    until(lambda: cluster.show(job)["Restarts"] == "1", "the job is requeued", 90)
    log = finish(workflow, process, "tgl_fp")
    assert "resumed at step" in log or "done before" in log
    assert cluster.jobs()[job][0] == "COMPLETED", "under the same number"
    assert_equal(of("tgl_fp", tables(workflow)), of("tgl_fp", tables(undisturbed)))


def start_on_gpus(submitted, directory: Path) -> tuple[Workflow, subprocess.Popen]:
    """Start one training run and the scoring of the base model anew, and nothing else."""
    workflow = copy_of(submitted[0], directory, SETTINGS)
    targets = SCORES.format(method="full"), "results/tiny/scores/gpt2-2x16/base/seed0/scores.parquet"
    rules = ("train", "score_base")
    arguments = ("--forcerun", *rules, "--allowed-rules", *rules, "--", *targets)
    return workflow, workflow.start(*on("slurm-gpu", *arguments, partition="gpu"))


def visible_gpus(job: str) -> set[str]:
    """Return CUDA_VISIBLE_DEVICES of every training process of a job that torchrun has started."""
    found = set()
    for pid in processes_of(job):
        with contextlib.suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
            values = dict(variable.split("=", 1) for variable in variables if "=" in variable)
            if "LOCAL_RANK" in values:
                found.add(f"node {values['GROUP_RANK']}, GPU {values.get('CUDA_VISIBLE_DEVICES')}")
    return found


def test_gpu_jobs_ask_for_one_nodes_gpus_and_one_task(cluster, submitted, tmp_path, monkeypatch):
    """Nothing runs: the partition is closed."""
    monkeypatch.setenv("TGL_GPUS", "2")
    monkeypatch.setenv("TGL_GPU_MODEL", "a100")
    call("scontrol", "update", "partition=gpu", "state=down")
    _, process = start_on_gpus(submitted, tmp_path / "run")
    try:
        train, score = (
            cluster.show(until(lambda: cluster.of_rule(rule, "PENDING"), f"{rule} is submitted")[0])  # noqa: B023
            for rule in ("train", "score_base")
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        call("scontrol", "update", "partition=gpu", "state=up")
    assert train["TresPerNode"] == "gres:gpu:a100:2"
    assert [train[key] for key in ("NumNodes", "NumTasks", "CPUs/Task", "MinMemoryNode")] == [
        "1",
        "1",
        "8",
        "64000M",
    ]
    assert score["TresPerJob"] == "gres:gpu:a100:1"
    assert [score[key] for key in ("NumNodes", "NumTasks", "CPUs/Task", "MinMemoryNode")] == [
        "1",
        "1",
        "4",
        "32000M",
    ]
    assert cluster.jobs("PENDING") == {}, "an interrupted run cancels its jobs"


def test_a_training_run_on_two_nodes(cluster, submitted, tmp_path, monkeypatch):
    """One process on each, which see the GPU given to them and meet; they compute on the CPU."""
    monkeypatch.setenv("TGL_NODES", "2")
    known = set(cluster.jobs())
    workflow, process = start_on_gpus(submitted, tmp_path / "run")
    job = until(lambda: training(cluster, known), "the training job runs")
    asked = cluster.show(job)
    assert (asked["NumNodes"], asked["NumTasks"], asked["TresPerNode"]) == ("2", "2", "gres:gpu:1")
    until(lambda: len(visible_gpus(job)) == 2 or process.poll() is not None, "a process on each node", 120)
    assert visible_gpus(job) == {"node 0, GPU 0", "node 1, GPU 0"}, finish(workflow, process, "full")
    finish(workflow, process, "full")
    assert cluster.jobs()[job][0] == "COMPLETED"
