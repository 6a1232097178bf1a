"""`tgl explain`: how a file came about, and the chain of its inputs."""

import re

import pytest
from typer.testing import CliRunner

from tests.provenance.experiment import Experiment, two_jobs
from tgl.cli import app
from tgl.core.errors import TglError
from tgl.provenance.explain import explain


def chain(folder) -> Experiment:
    """Return base -> plan -> two trainings -> report, recorded."""
    experiment = Experiment(folder)
    jobs = []

    def job(rule, output, inputs, **wildcards):
        experiment.write(output, output)
        read = [folder / path for path in inputs]
        jobs.append(experiment.declared(rule, [output], read, wildcards=wildcards))

    job("base", "models/base.safetensors", [], seed="0")
    job("plan", "plan/full.json", ["models/base.safetensors"], plan="full")
    for number in "01":
        job("train", f"scores/{number}.parquet", ["models/base.safetensors", "plan/full.json"], number=number)
    job("report", "report/index.html", ["scores/0.parquet", "scores/1.parquet"])
    experiment.update(*jobs, versions={"torch": "2.0", "python": "3.11"})
    return experiment


def test_what_is_said_of_the_job_itself(tmp_path):
    experiment = chain(tmp_path)
    text = explain(experiment.folder / "plan/full.json")
    assert text.startswith("plan/full.json\n  rule            plan plan=full\n")
    assert "5.0 s, peak 200 MiB" in text
    assert "python 3.11, torch 2.0" in text
    assert "steps=4, pretrain.keep=[0, 2]" in text
    assert "python -m tgl plan > results/x/logs/plan.log" in text
    assert re.search(r"finished +2023-11-14 \d\d:\d\d:\d\d UTC", text)


def test_each_job_of_the_chain_is_told_once_and_named_after_that(tmp_path):
    lines = explain(chain(tmp_path).folder / "report/index.html").splitlines()
    assert lines[lines.index("made from") + 1 :] == [
        "  train number=0: scores/0.parquet (5.0 s, peak 200 MiB)",
        "    base seed=0: models/base.safetensors (5.0 s, peak 200 MiB)",
        "      no file",
        "    plan plan=full: plan/full.json (5.0 s, peak 200 MiB)",
        "      as above: base seed=0",
        "  train number=1: scores/1.parquet (5.0 s, peak 200 MiB)",
        "    as above: base seed=0, plan plan=full",
    ]


def test_sources_end_the_chain_with_their_hash(tmp_path):
    experiment, _ = two_jobs(tmp_path)
    text = explain(experiment.folder / "plan/full.json")
    sha256 = experiment.manifest.sources[0].sha256
    assert f"  {tmp_path}/data/list.json: source, sha256 {sha256}" in text.splitlines()


def test_an_input_that_was_made_anew_since_is_marked(tmp_path):
    experiment, (base, _) = two_jobs(tmp_path)
    experiment.write("models/base/model.safetensors", "other")
    experiment.update(experiment.declared("base", list(base.outputs)))
    text = explain(experiment.folder / "plan/full.json")
    assert "(5.0 s, peak 200 MiB) [made again since]" in text


def test_many_files_of_one_job_are_counted(tmp_path):
    experiment = Experiment(tmp_path)
    for number in range(5):
        experiment.write(f"pages/{number}", "x")
    pages = experiment.declared("pages", [f"pages/{number}" for number in range(5)])
    experiment.write("tokens", "x")
    tokens = experiment.declared("tokens", ["tokens"], [tmp_path / path for path in pages.outputs])
    experiment.update(pages, tokens)
    assert "pages: pages/0, pages/1, pages/2 and 2 more (" in explain(tmp_path / "tokens")


def test_what_was_not_recorded_is_said_to_be_so(tmp_path):
    experiment = Experiment(tmp_path)
    experiment.write("plan.json", "x")
    job = experiment.declared("plan", ["plan.json"], state="done", seconds=None, peak_mib=None, command=None)
    experiment.update(job)
    (tmp_path / "plan.json").unlink()
    text = explain(tmp_path / "plan.json")
    assert text.startswith("plan.json (missing now)\n")
    assert "time not recorded, memory not recorded" in text
    assert "versions        not recorded" in text
    assert "command" not in text


def test_an_undeclared_file_is_said_to_be_one(tmp_path):
    experiment = Experiment(tmp_path)
    experiment.write("report/a.svg", "figure")
    experiment.write("report/index.html", "page")
    experiment.update(experiment.declared("report", ["report/index.html"], seconds=60.0))
    assert explain(tmp_path / "report/a.svg").startswith(
        "report/a.svg (not declared; written while this job ran)"
    )


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("plan/fall.json", "did you mean 'plan/full.json'?"),
        ("models", "pass a file, such as models/base/model.safetensors"),
    ],
)  # fmt: skip
def test_an_unknown_file_is_refused_with_the_nearest_one(tmp_path, path, hint):
    experiment, _ = two_jobs(tmp_path)
    with pytest.raises(TglError, match=re.escape(hint)):
        explain(experiment.folder / path)


def test_a_file_outside_any_experiment_is_refused(tmp_path):
    with pytest.raises(TglError, match=r"no manifest\.json in a folder above it"):
        explain(tmp_path / "plan.json")


def test_paths_are_taken_from_the_working_directory(tmp_path, monkeypatch):
    experiment, _ = two_jobs(tmp_path)
    monkeypatch.chdir(experiment.folder / "models")
    done = CliRunner().invoke(app, ["explain", "../plan/full.json"])
    assert done.exit_code == 0
    assert done.stdout.startswith("plan/full.json\n")
