"""Pages of the reference as Markdown, from the command line, the typed configuration and the schemas of tables."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib.resources import files

import click
import typer
import yaml

from tgl.cli.app import GROUPS, app, load
from tgl.config.root import Config
from tgl.config.write import explanation
from tgl.core.config_types import Section
from tgl.core.schemas import SCHEMAS


def commands_page() -> str:
    """Return the help of every command, with its options and their defaults."""
    group = typer.main.get_command(app)
    lines = ["# Commands", "", _plain(group.help or ""), "", "`tgl COMMAND --help` prints the same.", ""]
    context = click.Context(group, info_name="tgl")
    for heading, commands in GROUPS.items():
        lines += [f"## {heading}", ""]
        for name, _, about in commands:
            command = load(name)
            lines += _command(command, about, click.Context(command, info_name=name, parent=context))
    return "\n".join(lines) + "\n"


def _command(command: click.Command, about: str, context: click.Context) -> Iterator[str]:
    yield f"### tgl {context.info_name}"
    yield ""
    yield f"    {command.get_usage(context).removeprefix('Usage: ')}"
    yield ""
    yield _plain(command.help or about)
    yield ""
    rows = [
        record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))
    ]
    yield "| argument or option | what it sets |"
    yield "|---|---|"
    yield from (f"| `{_code(name)}` | {_cell(about)} |" for name, about in rows)
    yield ""


def keys_page() -> str:
    """Return every key of the configuration with its explanation and default."""
    lines = [
        "# Configuration keys",
        "",
        "Every key is optional. A key's full name goes with `--set` too.",
        "",
    ]
    return "\n".join([*lines, *_keys(Config(), "", 2)]) + "\n"


def _keys(section: Section, prefix: str, depth: int) -> Iterator[str]:
    single, nested = [], []
    for name in type(section).model_fields:
        (nested if isinstance(getattr(section, name), Section) else single).append(name)
    if single:
        yield "| key | default | what it sets |"
        yield "|---|---|---|"
        for name in single:
            value = yaml.safe_dump(
                getattr(section, name), default_flow_style=True, width=10**6, allow_unicode=True
            )
            value = value.strip().removesuffix("...").strip()
            about = explanation(type(section), name) or ""
            yield f"| `{prefix}{name}` | `{_code(value)}` | {_cell(about)} |"
        yield ""
    for name in nested:
        yield f"{'#' * min(depth, 4)} {prefix}{name}"
        yield ""
        if about := explanation(type(section), name):
            yield _plain(about)
            yield ""
        yield from _keys(getattr(section, name), f"{prefix}{name}.", depth + 1)


def tables_page() -> str:
    """Return the columns of every table, with their types and meaning."""
    described = yaml.safe_load((files("tgl.export") / "tables.yaml").read_text(encoding="utf-8"))
    lines = [
        "# Tables",
        "",
        "Every artifact of a run that is a table is a Parquet file with one of these schemas.",
        "",
    ]
    for name, schema in SCHEMAS.items():
        about = described.get(name, {})
        lines += [f"## {name}", ""]
        if text := about.get("about"):
            lines += [_plain(text), ""]
        columns = about.get("columns", {})
        lines += ["| column | type | what it holds |", "|---|---|---|"]
        for field in schema:
            lines.append(f"| `{field.name}` | `{_code(field.type)}` | {_cell(columns.get(field.name, ''))} |")
        lines.append("")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return inspect.cleandoc(text).replace("\f", "").replace("<", "&lt;")


def _code(text: object) -> str:
    return " ".join(str(text).replace("|", "\\|").split())


def _cell(text: object) -> str:
    return " ".join(str(text).replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[").split())
