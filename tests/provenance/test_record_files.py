"""Files that no rule declares, and files that need not be read again."""

import os

from tests.provenance.experiment import Experiment, done, two_jobs
from tgl.core.files import sha256_file
from tgl.provenance.verify import verify

OLD, NEW = {"torch": "1.0"}, {"torch": "2.0"}


def test_undeclared_files_belong_to_the_job_that_ran_when_they_were_written(tmp_path):
    experiment = Experiment(tmp_path)
    experiment.write("report/by-hand.txt", "long before")
    experiment.write("report/figures/a.svg", "figure")
    figure = (tmp_path / "report/figures/a.svg").stat().st_mtime
    experiment.write("report/index.html", "page")
    os.utime(tmp_path / "report/index.html", (figure + 2, figure + 2))
    report = experiment.declared("report", ["report/index.html"])
    experiment.write("report/gate.txt", "gate")
    gate = experiment.declared("gate", ["report/gate.txt"])
    manifest = experiment.update(report, gate)
    makers = manifest.makers()
    assert makers["report/figures/a.svg"].rule == "report"
    assert [file.path for file in makers["report/gate.txt"].files] == ["report/gate.txt"]
    assert [problem.text for problem in verify(tmp_path).problems] == [
        "report/by-hand.txt: no job of the manifest made it"
    ]


def test_an_undeclared_file_that_another_job_declares_later_is_that_job_s(tmp_path):
    experiment = Experiment(tmp_path)
    experiment.write("report/a.svg", "figure")
    experiment.write("report/index.html", "page")
    report = experiment.declared("report", ["report/index.html"], seconds=60.0)
    assert [file.path for file in experiment.update(report).jobs[0].undeclared] == ["report/a.svg"]
    experiment.write("report/a.svg", "other figure")
    manifest = experiment.update(*done(report), experiment.declared("figures", ["report/a.svg"]))
    assert {job.rule: [file.path for file in job.files] for job in manifest.jobs} == {
        "figures": ["report/a.svg"],
        "report": ["report/index.html"],
    }


def test_of_two_jobs_at_once_the_one_with_the_nearer_folder_has_the_file(tmp_path):
    experiment = Experiment(tmp_path)
    for path in ("snapshots/facts.parquet", "snapshots/2019/files.parquet", "snapshots/2019/dump/sums.txt"):
        experiment.write(path, path)
        os.utime(tmp_path / path, (1000, 1000))
    jobs = [
        experiment.declared("world", ["snapshots/facts.parquet"]),
        experiment.declared("download", ["snapshots/2019/files.parquet"]),
    ]
    assert experiment.update(*jobs).makers()["snapshots/2019/dump/sums.txt"].rule == "download"


def test_large_files_are_not_read_again_when_size_and_time_are_equal(tmp_path, monkeypatch):
    experiment, jobs = two_jobs(tmp_path)
    read = []
    monkeypatch.setattr(
        "tgl.provenance.files.sha256_file", lambda path: read.append(path.name) or sha256_file(path)
    )
    experiment.update(*jobs)
    assert read == []
    experiment.write("plan/full.json", "new")
    experiment.update(*jobs)
    assert read == ["full.json"]
