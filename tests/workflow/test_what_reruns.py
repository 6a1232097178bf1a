"""A changed line of code or of a data file reruns just the stages that depend on it, and of those just the jobs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY, TINY, Workflow, copy_of, environment, rules_in
from tests.workflow.test_project import rules
from tests.workflow.test_wheel import project_files

pytestmark = pytest.mark.workflow

METHODS = ["full", "tgl_fp", "random", "full+ewc", "full+recadam"]
SETTINGS = f"{TINY}methods: {json.dumps(METHODS)}\n"
AFTER_TRAINING = {"report", "gate"}
AFTER_DIFF = {"pack_period", "score_base", "train", "agree", *AFTER_TRAINING}
AFTER_PAGES = {"diff", "probes", "tokenizer", "pack_base", "base", "profile", "along", "plan", *AFTER_DIFF}
PLANS = {"full", "tgl_fp", "random"}
RUNS = {"full on plain", "tgl_fp on plain", "random on plain", "full on ewc", "full on recadam"}


@pytest.fixture(scope="module")
def finished(finished_tiny, tmp_path_factory) -> Workflow:
    """A finished run with two baselines; tests must not run anything in it."""
    workflow = copy_of(finished_tiny, tmp_path_factory.mktemp("finished") / "run", SETTINGS)
    workflow.run()
    return workflow


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the project's files, to edit."""
    for name in project_files():
        copy = tmp_path / "checkout" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, copy)
    return tmp_path / "checkout"


def edit(checkout, file, old, new):
    """Change the one place of a file of the copy that a regular expression finds."""
    path = checkout / file
    text, number = re.subn(old, new, path.read_text(), flags=re.M)
    assert number == 1, f"{file}: {number} places of {old!r}, expected 1; this test must follow the code"
    path.write_text(text)


def planned(finished, checkout, *arguments) -> tuple[set[str], set[str], set[str]]:
    """Return what would run now: rules, plans that would be made, and what would be trained."""
    finished = Workflow(finished.directory, SETTINGS, project=checkout)
    output = finished.run("--dry-run", *arguments)
    return (
        rules_in(output),
        set(re.findall(r"Making the plan ([\w.]+), seed 0", output)),
        set(re.findall(r"Continual pretraining by ([\w.]+ on \w+) at 0\.003, seed 0", output)),
    )


def test_a_copy_of_the_checkout_reruns_nothing(finished, checkout):
    assert planned(finished, checkout) == (set(), set(), set())


@pytest.mark.parametrize(
    ("file", "old", "new", "expected", "plans", "trained"),
    [
        pytest.param(
            "tgl/train/baselines/ewc.py", r"(strength: .*)\b5000\.0", r"\g<1>5001.0",
            {"train", *AFTER_TRAINING}, set(), {"full on ewc"}, id="default of a baseline",
        ),
        pytest.param(
            "tgl/train/baselines/recadam.py", r"strength \* rate >= 1", "strength * rate > 1",
            {"train", *AFTER_TRAINING}, set(), {"full on recadam"}, id="baseline",
        ),
        pytest.param(
            "tgl/train/recall.py", r"\(1 \+ math\.tanh", "(1.5 + math.tanh",
            {"train", *AFTER_TRAINING}, set(), {"full on recadam"}, id="module of a baseline",
        ),
        pytest.param(
            "tgl/train/baselines/replay.py", r"\bperiod\.old_stream\(\)", "period.new_stream()",
            set(), set(), set(), id="baseline that no method is on",
        ),
        pytest.param(
            "tgl/plans/policies/random.py", r"avoid=reference", "avoid=None",
            {"plan", "train", *AFTER_TRAINING}, {"random"}, {"random on plain"}, id="policy",
        ),
        pytest.param(
            "tgl/plans/subsets.py", r"^MAX_JACCARD = 0\.5", "MAX_JACCARD = 0.4",
            {"plan", "train", *AFTER_TRAINING}, {"random", "tgl_fp"}, {"random on plain", "tgl_fp on plain"},
            id="module of several policies",
        ),
        pytest.param(
            "tgl/plans/policies/lisa.py", r"^NUM_PHASES = 5", "NUM_PHASES = 4", set(), set(), set(),
            id="policy of no method",
        ),
        pytest.param(
            "tgl/snapshots/wikimedia/hosts.csv", r"archive\.org,", "archive,", set(), set(), set(),
            id="table of dump sources",
        ),
        pytest.param(
            "tgl/snapshots/extract/templates/en.json", r', "approx"\]', "]", {"pages", *AFTER_PAGES}, PLANS, RUNS,
            id="template rule",
        ),
        pytest.param(
            "tgl/text/diff/sentences.py", r'"  " not in text', '"   " not in text', {"diff", *AFTER_DIFF}, set(), RUNS,
            id="comparison of sentences",
        ),
        pytest.param(
            "tgl/report/profile_figures.py", r'"#c1440e"', '"#c1440f"', AFTER_TRAINING, set(), set(), id="figure",
        ),
        pytest.param(
            "tgl/report/limits.py", r"len\(config\.seeds\) < 3", "len(config.seeds) < 2", AFTER_TRAINING, set(), set(),
            id="report",
        ),
        pytest.param(
            "tgl/analysis/rank.py", r"\[0\.025, 0\.975\]", "[0.05, 0.95]", {"agree", *AFTER_TRAINING}, set(), set(),
            id="agreement",
        ),
        pytest.param(
            "tgl/plans/policies/tgl_fp.py", r'(\) -> Choice:\n    """)', r"\1In other words: ", set(), set(), set(),
            id="docstring",
        ),
        pytest.param(
            "tgl/train/loop.py", r"^import torch$", "import torch  # a comment", set(), set(), set(), id="comment",
        ),
    ],
)  # fmt: skip
def test_a_changed_line_reruns_what_depends_on_it(
    finished, checkout, file, old, new, expected, plans, trained
):
    edit(checkout, file, old, new)
    assert planned(finished, checkout) == (expected, plans, trained)


def test_a_new_policy_reruns_nothing_and_named_it_brings_only_its_own_jobs(finished, checkout):
    policies = checkout / "tgl" / "plans" / "policies"
    shutil.copy(policies / "last.py", policies / "new.py")
    edit(checkout, "tgl/plans/policies/new.py", r"units\[::-1\]", "units[1:]")
    assert planned(finished, checkout) == (set(), set(), set())
    methods = ("--config", f"methods=[{', '.join([*METHODS, 'new'])}]")
    assert planned(finished, checkout, *methods) == (
        {"plan", "train", *AFTER_TRAINING},
        {"new"},
        {"new on plain"},
    )


HASHES = """
import json, sys
from workflow import helpers

rules = {rule: helpers.code(*modules) for rule, modules in json.loads(sys.argv[1]).items()}
sources = {name: helpers.source_code(name) for name in helpers.SOURCES}
print(json.dumps({"rules": rules, "sources": sources}))
"""


def hashes(checkout) -> tuple[dict[str, str], dict[str, str]]:
    """Return the hashes of the code of each rule, and of that of each source, in the copy."""
    modules = {
        rule: re.findall(r'"(tgl[\w.]*)"', " ".join(re.findall(r"\bcode=code\(([^)]*)\)", text)))
        for rule, text in rules().items()
    }
    done = subprocess.run(
        [sys.executable, "-c", HASHES, json.dumps(modules)], cwd=checkout, capture_output=True, text=True, check=True,
        env=environment() | {"PYTHONPATH": str(checkout)},
    )  # fmt: skip
    found = json.loads(done.stdout)
    return found["rules"], found["sources"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tgl/snapshots/wikimedia/hosts.csv", r"archive\.org,", "archive,"),
        ("tgl/snapshots/wikimedia/fetch.py", r"^_TRIES = 8\b", "_TRIES = 9"),
    ],
)
def test_the_table_of_dump_sources_and_the_downloader_rerun_only_the_download_of_their_source(
    checkout, file, old, new
):
    """By their hashes, as a download needs a host. The rule `download` has the hash of the configured source."""
    before = hashes(checkout)
    assert len(before[0]) > 15
    assert all(before[0].values())
    edit(checkout, file, old, new)
    after = hashes(checkout)
    assert after[0] == before[0]
    assert {name for name, code in after[1].items() if code != before[1][name]} == {"wikimedia"}
    assert "source_code=source_code(CONFIG.snapshots.source)" in rules()["download"]
