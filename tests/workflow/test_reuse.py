"""A second experiment next to the first copies what it shares with it, and names it; a setting turns this off."""

import pytest

from tests.workflow.conftest import TINY, copy_of, data_files
from tests.workflow.test_provenance import tgl
from tgl.provenance.manifest import read_manifest

pytestmark = pytest.mark.workflow

OTHER = TINY.replace("experiment: tiny", "experiment: other")
COPIED = {"pages", "diff", "tokenizer", "pack_base", "pack_period", "base"}
MODEL = "models/gpt2-2x16/base/seed0/model.safetensors"


@pytest.mark.parametrize("reuse", [True, False])
def test_shared_artifacts_are_copied(finished_tiny, tmp_path, reuse):
    workflow = copy_of(finished_tiny, tmp_path / "copy", OTHER)
    first, other = (workflow.directory / "results" / name for name in ("tiny", "other"))
    workflow.run("--until", "score_base", "--config", f"reuse={reuse}")
    jobs = read_manifest(other / "manifest.json").jobs
    assert {job.rule for job in jobs if job.copied_from} == (COPIED if reuse else set())
    assert {job.copied_from for job in jobs if job.copied_from} <= {"results/tiny"}
    assert {job.rule for job in jobs} > COPIED

    found, before = data_files(other), data_files(first)
    files = {file.path for job in jobs for file in job.outputs if not file.path.endswith("files.parquet")}
    assert {path: found[path] for path in files & set(found)} == {
        path: before[path] for path in files & set(found)
    }
    lines = tgl("explain", other / MODEL, cwd=workflow.directory)
    assert any("copied from results/tiny" in " ".join(line.split()) for line in lines) == reuse
