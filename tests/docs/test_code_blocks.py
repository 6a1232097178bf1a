"""Every command of the documentation exists with its options, every file and target is there, every block parses."""

import ast
import itertools
import re
import shlex
import textwrap

import pytest
import typer
import yaml

from tests.support.paths import REPOSITORY
from tgl.cli.app import GROUPS, app, load
from tgl.config.check import load_config
from tgl.config.root import Config
from tgl.core.config_check import read_yaml
from tgl.core.errors import TglError

PAGES = sorted(
    str(path.relative_to(REPOSITORY))
    for path in [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        REPOSITORY / "config" / "README.md",
        *(REPOSITORY / "docs").rglob("*.md"),
    ]
)
COMMANDS = {name for commands in GROUPS.values() for name, _, _ in commands}
SHARED = {
    "--help",
    "--version",
    "-v",
    "-q",
    "--verbose",
    "--quiet",
    "--install-completion",
    "--show-completion",
}


def blocks(page):
    """Return the code blocks of a page, fenced or indented, without those inside lists."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S)
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    indented = re.findall(r"(?:^\n|\A)((?:^ {4}.*\n|^\n(?= {4}))+)", text, flags=re.M)
    return [block for _, block in fenced] + [textwrap.dedent(block) for block in indented]


def command_lines(page):
    """Yield the command lines of a page, without comments, continued lines joined."""
    for block in blocks(page):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            line = line.strip()
            for part in re.split(r"\s&&\s|\s\|\s", line):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:
                    continue
                while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                    words = words[1:]
                if words:
                    yield words


def names_of(words):
    return words[0].rpartition("/")[2], words[1:]


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_tgl_have_the_options(page):
    for words in command_lines(page):
        name, rest = names_of(words)
        if name != "tgl":
            continue
        while rest and rest[0] in SHARED:
            rest = rest[1:]
        if (
            not rest or rest[0].isupper() or re.match(r"[\d.]+$|with$|says$", rest[0])
        ):  # rows of a table of times
            continue
        assert rest[0] in COMMANDS, words
        options = {
            option
            for parameter in typer.main.get_command(app).params + load(rest[0]).params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        ours = rest[1 : rest.index("--")] if "--" in rest else rest[1:]
        given = {word.partition("=")[0] for word in ours if word.startswith("-")}
        assert {word.strip("[]") for word in given} - options - SHARED - {"-"} == set(), words


@pytest.mark.parametrize("page", PAGES)
def test_files_and_targets_of_commands_exist(page):
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), flags=re.M)
    for words in command_lines(page):
        name, rest = names_of(words)
        if name == "make" and rest:
            assert rest[0] in targets, words
        if name in ("snakemake", "python", "tgl"):
            folders = r"(workflow|examples|benchmarks|profiles|config|tests)/[\w./-]+$"
            # In capitals, a name stands for any.
            paths = [word for word in rest if re.match(folders, word) and not re.search(r"[A-Z]{3}", word)]
            assert [path for path in paths if not (REPOSITORY / path).exists()] == [], words
        if name == "python" and rest[:1] == ["-m"] and rest[1].startswith(("benchmarks", "tgl")):
            path = REPOSITORY / rest[1].replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), words


def merged(below, above):
    """Return a configuration with another one on top, as Snakemake reads several files and --config."""
    both = isinstance(below, dict) and isinstance(above, dict)
    return (
        {key: merged(below.get(key), above.get(key, below.get(key))) for key in {**below, **above}}
        if both
        else above
    )


def configurations(page):
    """Yield the configurations of the page's calls of Snakemake. Calls with `my.yaml`, NAME or ... stand for any."""
    for words in command_lines(page):
        name, rest = names_of(words)
        found = {}
        if name != "snakemake" or any(re.search(r"NAME\b|\.\.\.|^my\.yaml", word) for word in rest):
            continue
        for flag in ("--configfile", "--config"):
            for word in itertools.takewhile(
                lambda word: not word.startswith("-"), rest[rest.index(flag) + 1 :] if flag in rest else []
            ):
                key, _, value = word.partition("=")
                value = value.replace("you@example.org", "you@university.edu")  # the example is refused
                own = {key: yaml.safe_load(value)} if flag == "--config" else read_yaml(REPOSITORY / word)
                found = merged(found, own)
        yield words, found


# The methods page has the commands of the version that made its tables.
@pytest.mark.parametrize("page", sorted({*PAGES} - {"docs/extending.md", "docs/evidence/methods/README.md"}))
def test_calls_of_the_workflow_have_a_valid_configuration(page):
    problems = {}
    for words, found in configurations(page):
        try:
            load_config(found)
        except TglError as error:
            problems[shlex.join(words)] = str(error)
    assert problems == {}


def is_yaml(block):
    first = block.lstrip().partition("\n")[0]
    return re.match(r"[a-z_]+:( |$)", first) is not None and first.partition(":")[0] in Config.model_fields


# Extensions have sections of their own.
@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/extending.md"])
def test_blocks_of_configuration_have_known_keys(page):
    for block in filter(is_yaml, blocks(page)):
        found = yaml.safe_load(block)
        assert set(found) <= set(Config.model_fields), block
        for key, value in found.items():
            section = Config.model_fields[key].annotation
            if isinstance(value, dict) and hasattr(section, "model_fields"):
                assert set(value) <= set(section.model_fields), block


def is_python(block):
    return ".venv/bin" not in block and re.search(
        r"^(import |from \w+ import|\w+(, \w+)* = (tgl|found|plan|torch)\b|@\w+)", block, flags=re.M
    )


@pytest.mark.parametrize("page", PAGES)
def test_blocks_of_python_parse(page):
    for block in filter(is_python, blocks(page)):
        ast.parse(block)


def test_blocks_are_found():
    assert sum(1 for page in PAGES for _ in configurations(page) if page != "docs/extending.md") > 15
    found = [words for page in PAGES for words in command_lines(page)]
    assert sum(names_of(words)[0] == "tgl" for words in found) > 50
    assert sum(names_of(words)[0] == "snakemake" for words in found) > 20
    assert sum(bool(is_yaml(block)) for page in PAGES for block in blocks(page)) > 3
    assert sum(bool(is_python(block)) for page in PAGES for block in blocks(page)) > 8
