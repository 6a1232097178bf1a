"""The application: its help, its groups, logging options and completion; and how little the help imports."""

import inspect
import json
import os
import re
import resource
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from tests.cli.running import passes, shown, tgl
from tests.export.experiment import recorded
from tests.support.paths import REPOSITORY
from tgl.cli import app
from tgl.cli.app import GROUPS, load, set_up_logging
from tgl.cli.command import COMMANDS

ABOUT = {name: about for commands in GROUPS.values() for name, _, about in commands}
MODULES = {name: module for commands in GROUPS.values() for name, module, _ in commands}


@pytest.fixture(autouse=True)
def usual_logging():
    yield
    set_up_logging()


@pytest.fixture
def gate(tmp_path):
    path = tmp_path / "gate.json"
    path.write_text(json.dumps([{"name": "facts", "value": 0.9, "limit": 0.5, "met": True}]))
    return path


@pytest.mark.parametrize("name", ABOUT)
def test_the_help_of_the_group_is_the_first_line_of_the_docstring(name):
    load(name)
    assert inspect.getdoc(COMMANDS[name]).splitlines()[0] == ABOUT[name]


def test_every_registered_command_is_in_a_group_with_its_module():
    for module in set(MODULES.values()):
        import_module(f"tgl.cli.{module}")
    registered = {name: function.__module__ for name, function in COMMANDS.items()}
    own = {name: module for name, module in registered.items() if module.startswith("tgl.cli.")}
    assert own == {name: f"tgl.cli.{module}" for name, module in MODULES.items()}


def test_the_help_lists_every_command_in_its_group():
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    titles = [*GROUPS, "Options"]
    panels = re.split(rf"─ ({'|'.join(titles)}) ─", done.stdout)
    found = dict(zip(panels[1::2], panels[2::2], strict=True))
    assert list(found) == ["Options", *GROUPS]
    for group, commands in GROUPS.items():
        rows = [
            re.sub(r"[│╭╮╰╯─]", " ", line).strip().split(maxsplit=1) for line in found[group].splitlines()
        ]
        assert [row for row in rows if len(row) == 2] == [[name, about] for name, _, about in commands]


def test_the_help_names_the_program_and_no_types_of_flags():
    printed = shown("--help")
    assert "Usage: tgl [OPTIONS] COMMAND [ARGS]..." in printed
    assert "<bool>" not in printed


def test_without_a_command_the_help_is_shown():
    status, printed, error = tgl()
    assert status == 2
    assert all(name in printed + error for name in ABOUT)


def test_the_version_is_the_installed_one():
    assert passes("--version") == f"tgl {version('tgl')}\n"


@pytest.mark.parametrize(
    ("wrong", "right"), [("pofile", "profile"), ("trian", "train"), ("basetext", "base-text")]
)
def test_an_unknown_command_is_refused_with_the_nearest_name(wrong, right):
    status, _, error = tgl(wrong)
    assert status == 2
    assert f"No such command '{wrong}'. Did you mean '{right}'" in error


def test_an_unknown_command_like_no_other_is_refused_with_the_way_to_the_help():
    status, _, error = tgl("xyzzy")
    assert status == 2
    assert "No such command 'xyzzy'." in error
    assert "Try 'tgl --help' for help." in error


def test_an_unknown_option_is_refused_with_the_nearest_name():
    status, _, error = tgl("plan", "x", "--methd", "full")
    assert status == 2
    assert "No such option" in error
    assert "--method" in error


HELP = """
import sys
sys.argv = ["tgl", "--help"]
from tgl.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
import json
print(json.dumps(sorted(sys.modules)))
"""


def test_the_help_imports_no_command_and_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", HELP], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    modules = json.loads(done.stdout.splitlines()[-1])
    assert {name for name in modules if name.startswith("tgl.")} == {
        "tgl.cli",
        "tgl.cli.app",
        "tgl.core",
        "tgl.core.reusable",
    }
    heavy = {"torch", "transformers", "pandas", "pydantic", "pyarrow", "numpy", "yaml"}
    assert heavy & {name.partition(".")[0] for name in modules} == set()


def test_the_command_line_needs_typer_alone():
    """Typer has its own click since 0.29, so that an installation may lack the package."""
    for path in (REPOSITORY / "tgl" / "cli").glob("*.py"):
        assert re.search(r"^\s*(import|from) click\b", path.read_text(), re.M) is None, path


def test_the_help_takes_little_time():
    """Time of the processor, as other tests run at the same time."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "tgl", "--help"], capture_output=True, check=True, cwd=REPOSITORY
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 0.3


def test_quiet_prints_no_lines_of_the_log_and_verbose_puts_the_time_before_each(tmp_path):
    passes("init", tmp_path / "p")
    config = tmp_path / "p" / "config.yaml"
    assert passes("check", config) == f"{config}: valid\n"
    assert passes("-q", "check", config) == passes("--quiet", "check", config) == ""
    for option in ("-v", "--verbose"):
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\d {re.escape(str(config))}: valid\n", passes(option, "check", config)
        )


def test_quiet_keeps_results_and_errors(gate, tmp_path):
    assert passes("-q", "gate", gate) == passes("gate", gate) != ""
    status, printed, error = tgl("-q", "gate", tmp_path / "gone")
    assert (status, printed) == (1, "")
    assert error.startswith(f"tgl gate: {tmp_path}/gone: no such file")


def test_quiet_keeps_what_verify_finds(tmp_path):
    experiment = recorded(tmp_path)
    (experiment.folder / "probes" / "probes.parquet").write_bytes(b"damaged")
    status, printed, _ = tgl("-q", "verify", experiment.folder)
    assert status == 1
    assert "probes/probes.parquet" in printed


def test_verbose_puts_the_time_before_warnings_of_libraries(gate, monkeypatch):
    def check(file, binding):
        warnings.warn("a library has something to say", stacklevel=1)
        return "all met"

    monkeypatch.setattr("tgl.report.gate.check_gate", check)
    printed = passes("-v", "gate", gate)
    assert re.match(r"\d\d:\d\d:\d\d .*UserWarning: a library has something to say", printed)
    assert printed.splitlines()[-1] == "all met"


def test_a_package_that_a_command_lacks_is_named_without_a_traceback(monkeypatch):
    def import_module(name):
        raise ModuleNotFoundError("No module named 'httpx'", name="httpx")

    monkeypatch.setattr(sys.modules["tgl.cli.app"], "import_module", import_module)
    status, _, error = tgl("download", "20200101", "--folder", "f", "--output", "o")
    assert status == 1
    assert error.startswith("tgl download: ")
    assert "pip install 'tgl[wiki]'" in error
    assert "Traceback" not in error


def completed(*words):
    """Return what bash is offered for the last of the words."""
    env = {"_TGL_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = CliRunner().invoke(app, [], env=env, prog_name="tgl")
    assert done.exit_code == 0, done.output
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("tgl", "tr"), ["train"]),
        (("tgl", "ex"), ["export-plan", "explain", "export", "export-crate", "export-lm-eval"]),
        (("tgl", "train", "--lear"), ["--learning-rate"]),
        (("tgl", "train", "--token-c"), []),
        (("tgl", "world", "--candi"), ["--candidates"]),
    ],
)
def test_completion_offers_commands_and_their_options(words, offered):
    assert completed(*words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_has_a_script_for_each_shell(shell):
    done = CliRunner().invoke(app, [], env={"_TGL_COMPLETE": f"source_{shell}"}, prog_name="tgl")
    assert done.exit_code == 0
    assert f"_TGL_COMPLETE=complete_{shell}" in done.stdout


def test_the_module_is_the_program():
    done = subprocess.run(
        [sys.executable, "-m", "tgl", "--version"], capture_output=True, text=True, cwd=REPOSITORY,
        env=dict(os.environ),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"tgl {version('tgl')}\n")
