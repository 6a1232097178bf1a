"""Manifests, notes of unfinished runs and gates that were changed by hand or by a disk."""

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, changed, changed_files, json_files, json_values, refused_or
from tests.provenance.experiment import two_jobs
from tgl.provenance.explain import explain
from tgl.provenance.manifest import NAME, read_manifest, write_manifest
from tgl.provenance.record import RUNS, note_run, update_manifest
from tgl.provenance.verify import verify
from tgl.report.gate import check_gate

GATES = [
    {"name": "facts known", "value": 0.9, "limit": 0.75, "met": True},
    {"name": "facts learnt", "value": 1.2, "limit": 3.0, "met": False},
]
RUN = {"began": 1_700_000_000.5, "versions": {"torch": "2.13.0", "python": "3.11"}}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return two_jobs(tmp_path_factory.mktemp("results"))


@cases(0.02)
@given(st.data())
def test_a_changed_manifest_is_whole_or_refused_with_its_file(folder, experiment, data):
    good = experiment[0].folder
    content = (good / NAME).read_bytes()
    results = folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    shutil.copytree(good, results)
    path = results / NAME
    path.write_bytes(data.draw(changed_files(json.loads(content), content)))
    manifest = refused_or(lambda: read_manifest(path), path)
    found = refused_or(lambda: verify(results), path)
    # A manifest without jobs can be read, but it gives nothing to verify.
    assert (found is None) == (manifest is None or not manifest.jobs)
    refused_or(lambda: explain(results / "plan" / "full.json"), results)
    if found is None:
        return
    str(found).encode()
    "".join(map(str, found.problems)).encode()
    again, twice = folder / "again.json", folder / "twice.json"
    write_manifest(manifest, again)
    write_manifest(read_manifest(again), twice)
    assert again.read_bytes() == twice.read_bytes()


@cases(0.006)
@given(json_files(st.one_of(st.just(RUN), changed(RUN), json_values), suffixes=(".json",)))
def test_changed_notes_of_runs_are_used_or_dropped_and_the_manifest_is_written(folder, experiment, file):
    before, jobs = experiment
    results = folder / "noted"
    shutil.rmtree(results, ignore_errors=True)
    shutil.copytree(before.folder, results)
    (results / RUNS).parent.mkdir(exist_ok=True)
    (results / RUNS).write_bytes(file[1])
    said: list[str] = []
    note_run(results, {"torch": "1"}, said.append)
    update_manifest(results, jobs, {"torch": "1"}, say=said.append)
    "".join(said).encode()
    assert not (results / RUNS).exists()
    assert len(read_manifest(results / NAME).jobs) == 2


@cases(0.01)
@given(
    st.one_of(
        json_files(st.one_of(*map(st.just, GATES), *map(changed, GATES), json_values), suffixes=(".json",)).map(
            lambda file: file[1]
        ),
        changed_files(GATES, json.dumps(GATES).encode()),
    ),
    st.booleans(),
)  # fmt: skip
def test_changed_gates_are_told_or_refused_with_their_folder(folder, content, binding):
    path = folder / "gate.json"
    path.write_bytes(content)
    told = refused_or(lambda: check_gate(path, binding), folder)
    if told is not None:
        told.encode()
        assert str(folder / "index.html") in told
