"""The RO-Crate of a run: every file with its hash, every job with what it read and made."""

import hashlib
import json

import pytest

from tests.export.experiment import recorded
from tgl.core.errors import TglError
from tgl.export.crate import CRATE, crate, export_crate
from tgl.provenance.manifest import Manifest, read_manifest


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("crate"))


@pytest.fixture(scope="module")
def graph(experiment):
    path = export_crate(experiment.folder)
    assert path == experiment.folder / CRATE
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = found["@graph"]
    assert len({entity["@id"] for entity in entities}) == len(entities)
    return {entity["@id"]: entity for entity in entities}


def test_the_descriptor_and_the_root_are_what_the_specification_asks_for(graph):
    about = graph[CRATE]
    assert about["about"] == {"@id": "./"}
    assert about["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = graph["./"]
    assert root["@type"] == "Dataset"
    assert {"name", "description", "license", "datePublished"} <= set(root)
    assert root["name"] == "tgl: small"


def test_every_file_is_there_with_its_size_and_hash(graph, experiment):
    manifest = read_manifest(experiment.folder / "manifest.json")
    parts = {part["@id"] for part in graph["./"]["hasPart"]}
    made = [file for job in manifest.jobs for file in job.files]
    assert len(made) > 5
    for file in made:
        path, entity = experiment.folder / file.path, graph[file.path]
        assert file.path in parts
        assert entity["@type"] == "File"
        assert entity["contentSize"] == str(path.stat().st_size)
        assert entity["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_job_is_an_action_whose_references_exist(graph, experiment):
    manifest = read_manifest(experiment.folder / "manifest.json")
    actions = [entity for entity in graph.values() if entity["@type"] == "CreateAction"]
    assert [action["name"] for action in actions] == [job.title for job in manifest.jobs]
    for action, job in zip(actions, manifest.jobs, strict=True):
        assert len(action["object"]) == len(job.inputs)
        assert [entry["@id"] for entry in action["result"]] == [file.path for file in job.files]
        assert ("endTime" in action) == (job.finished is not None)
        if job.seconds is not None:
            assert action["startTime"] <= action["endTime"]
        for reference in [*action["object"], *action["result"], action["instrument"]]:
            assert reference["@id"] in graph, reference


def test_an_input_of_which_nothing_is_kept_is_a_reference_and_no_part(experiment):
    manifest = read_manifest(experiment.folder / "manifest.json")
    job = next(job for job in manifest.jobs if job.inputs)
    elsewhere = job.inputs[0].model_copy(update={"path": "/data/some text.txt"})
    changed = manifest.model_copy(
        update={"jobs": [job.model_copy(update={"inputs": [elsewhere]})], "sources": []}
    )
    found = {entity["@id"]: entity for entity in crate(changed, "x")["@graph"]}
    name = "file:///data/some%20text.txt"
    assert found[name]["@type"] == "CreativeWork"
    assert found["#job-0"]["object"] == [{"@id": name}]
    assert {"@id": name} not in found["./"]["hasPart"]


def test_an_experiment_without_a_job_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text(Manifest().model_dump_json())
    with pytest.raises(TglError, match="found no finished job"):
        export_crate(tmp_path)
    with pytest.raises(TglError, match=r"manifest\.json"):
        export_crate(tmp_path / "none")


def test_names_with_spaces_and_other_letters_are_quoted(experiment):
    manifest = read_manifest(experiment.folder / "manifest.json")
    job = manifest.jobs[0]
    odd = job.outputs[0].model_copy(update={"path": "a b/ü.parquet"})
    changed = manifest.model_copy(update={"jobs": [job.model_copy(update={"outputs": [odd]})]})
    names = {entity["@id"] for entity in crate(changed, "x")["@graph"]}
    assert "a%20b/%C3%BC.parquet" in names


def test_the_library_for_crates_reads_it(graph, experiment):
    rocrate = pytest.importorskip("rocrate.rocrate", reason="rocrate is not installed: pip install rocrate")
    read = rocrate.ROCrate(experiment.folder)
    assert read.name == "tgl: small"
    assert len(read.get_by_type("CreateAction")) == sum(e["@type"] == "CreateAction" for e in graph.values())
