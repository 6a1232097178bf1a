"""The file itself: written and read back, one job a line, refused when damaged."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provenance.experiment import two_jobs
from tgl.core.errors import TglError
from tgl.provenance.manifest import Code, File, Input, Job, Manifest, read_manifest, write_manifest

sha256 = st.text("0123456789abcdef", min_size=64, max_size=64)
text = st.text(st.characters(exclude_categories=["Cs"]))
paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
files = st.builds(File, path=paths, sha256=sha256, bytes=st.integers(0), mtime_ns=st.integers())
seconds = st.none() | st.floats(0, 1e10)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | text, lambda inner: st.lists(inner, max_size=2)
)
jobs = st.builds(
    Job,
    rule=text,
    wildcards=st.dictionaries(text, text, max_size=2),
    outputs=st.lists(files, min_size=1, max_size=2),
    undeclared=st.lists(files, max_size=1),
    inputs=st.lists(st.builds(Input, path=paths, sha256=st.none() | sha256), max_size=2),
    config=st.dictionaries(text, st.dictionaries(text, values, max_size=2), max_size=2),
    code=st.lists(st.builds(Code, modules=st.lists(text, max_size=2), hash=text), max_size=2),
    command=st.none() | text,
    versions=st.none() | text,
    seconds=seconds,
    peak_mib=seconds,
    finished=seconds,
)  # fmt: skip
manifests = st.builds(
    Manifest,
    command=st.lists(text, max_size=2),
    versions=st.dictionaries(text, st.dictionaries(text, text, max_size=2), max_size=2),
    sources=st.lists(files, max_size=2),
    jobs=st.lists(jobs, max_size=3),
)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(manifests)
def test_what_is_written_is_read_back(tmp_path_factory, manifest):
    path = tmp_path_factory.mktemp("manifest") / "manifest.json"
    write_manifest(manifest, path)
    assert read_manifest(path) == manifest


def test_each_job_has_a_line(tmp_path):
    experiment, _ = two_jobs(tmp_path)
    lines = experiment.manifest_text.splitlines()
    parsed = [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"rule"')]
    assert [job["rule"] for job in parsed] == ["base", "plan"]
    assert len(lines) == 12


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 1', '"format": 2', "The first is at format: Input should be 1, found '2'"),
        ('"rule": "plan"', '"rule": 3', r"The first is at jobs\.1\.rule"),
        ('"bytes"', '"byte"', r"The first is at jobs\.0\.outputs\.0\.bytes: Field required|sources"),
        ('{"rule"', "rule", "not valid JSON"),
        ('"sha256": "', '"sha256": "x', "String should match pattern"),
    ],
)
def test_a_damaged_manifest_is_refused_with_where_and_what_to_do(tmp_path, old, new, message):
    experiment, _ = two_jobs(tmp_path)
    path = experiment.folder / "manifest.json"
    (tmp_path / ".snakemake").mkdir()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(TglError, match=message) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "--forcerun gate" in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"jobs": "\\ud800"}', b"null"]
)
def test_what_is_no_manifest_is_refused(tmp_path, content):
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(TglError, match=r"not valid JSON|expected an object"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r'"outputs": \[[^\]]*\]', '"outputs": []'),
        (r'"seconds": [\d.]+', '"seconds": NaN'),
        (r'"seconds": [\d.]+', '"seconds": -1'),
        (r'"finished": [\d.]+', '"finished": 1e300'),
        (r'"jobs": \[', '"jobs": {"a": ['),
        (r'"path": "[^"]*"', '"path": ""'),
        (r'"config": \{.*?\}\}', '"config": {"config": [1]}'),
    ],
)
def test_values_that_nothing_can_be_printed_of_are_refused_as_outside_a_workflow(tmp_path, old, new):
    """Each was a traceback of `explain` or `verify`: an empty list taken the first of, a date of the year 10**292."""
    experiment, _ = two_jobs(tmp_path)
    path = experiment.folder / "manifest.json"
    path.write_text(re.sub(old, new, path.read_text(), count=1))
    with pytest.raises(
        TglError, match=r"manifest\.json: not .*Copy it again from the machine on which the workflow ran"
    ):
        read_manifest(path)
