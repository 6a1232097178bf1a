"""`config.yaml` and `config/schema.json` as text, generated from the typed configuration.

python -m tgl.config.write       # writes both into the working directory
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from tgl.config.root import Config
from tgl.core.config_types import Section
from tgl.core.files import write_text

HEAD = """\
# yaml-language-server: $schema=config/schema.json

# The default experiment: a synthetic world as MediaWiki dumps, a small GPT-2 from scratch, five plans, four seeds.
# `make run` runs it in 4 to 6 minutes on two cores.
#
# A preset (workflow/presets/) or another --configfile overrides single keys. Only settings that change a result are
# here; cores and memory are in profiles/. The comment above a key explains it.
#
# This file is generated. Change the defaults in the settings classes of tgl/, then run `python -m tgl.config.write`.
"""
_LINE = 120
# Marks a key whose default depends on other keys. config.yaml has the marked value, null, for such a default.
_WRITTEN = "written"
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def config_yaml(config: Config, head: str = HEAD, *, without: Collection[str] = ()) -> str:
    """Return a configuration as YAML: every key with its value, after a comment that explains the key.

    Args:
        config: The configuration.
        head: The comment at the top.
        without: Sections that are left out, such as snapshots.wikimedia.
    """
    return head + "\n" + "\n".join(_section(config, 0, without=without)) + "\n"


def schema_json() -> str:
    """Return the JSON schema of the configuration, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    for section in (schema, *schema["$defs"].values()):
        keys = section.get("properties", {})
        section["properties"] = {key: _as_written(_with_bounds(about)) for key, about in keys.items()}
    return json.dumps(schema, indent=1) + "\n"


def explanation(section: type[Section], key: str) -> str | None:
    """Return the explanation of a key: its description, or else the summary line of its section."""
    about = section.model_fields[key]
    if about.description:
        return about.description
    kind = about.annotation
    is_section = isinstance(kind, type) and issubclass(kind, Section)
    return (kind.__doc__ or "").partition("\n")[0] or None if is_section else None


def _section(section: Section, depth: int, *, name_of: str = "", without: Collection[str]) -> Iterator[str]:
    indent = "  " * depth
    for number, (name, about) in enumerate(type(section).model_fields.items()):
        value, comment = getattr(section, name), explanation(type(section), name)
        if value is None and comment is None:
            continue  # This is the unused section of another package's baseline or probe set.
        if f"{name_of}{name}" in without:
            continue
        if isinstance(value, Section) and (depth == 0 or number):
            yield ""
        for line in textwrap.wrap(comment or "", _LINE - len(indent) - 2, break_on_hyphens=False):
            yield f"{indent}# {line}"
        if isinstance(value, Section):
            yield f"{indent}{name}:"
            yield from _section(value, depth + 1, name_of=f"{name_of}{name}.", without=without)
            continue
        written = about.json_schema_extra or {}
        shown = written[_WRITTEN] if _WRITTEN in written and name not in section.model_fields_set else value
        yield from _key(f"{indent}{name}:", shown, indent)


def _key(key: str, value: object, indent: str) -> Iterator[str]:
    line = f"{key} {_value(value)}"
    if len(line) > _LINE and isinstance(value, list):
        yield key
        yield from (f"{indent}  - {_value(entry)}" for entry in value)
    elif len(line) > _LINE and isinstance(value, dict):
        yield key
        yield from (f"{indent}  {_value(name)}: {_value(entry)}" for name, entry in value.items())
    else:
        yield line


def _value(value: object) -> str:
    if isinstance(value, float) and value == int(value) and abs(value) < 1e6:
        return str(int(value))
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True).strip()
    return text.removesuffix("\n...").removesuffix("...").strip()


def _with_bounds(about: dict) -> dict:
    """Return the schema of a key with JSON schema's names of bounds; pydantic keeps its own for converted numbers."""
    found = {_BOUNDS.get(key, key): value for key, value in about.items()}
    if "anyOf" in found:
        found["anyOf"] = [_with_bounds(choice) for choice in found["anyOf"]]
    for inner in ("items", "additionalProperties"):
        if isinstance(found.get(inner), dict):
            found[inner] = _with_bounds(found[inner])
    return found


def _as_written(about: dict) -> dict:
    """Return the schema of a key without the private mark; with the mark, null is allowed too."""
    if _WRITTEN not in about:
        return about
    shared = {key: about[key] for key in ("title", "description", "default") if key in about}
    value = {key: entry for key, entry in about.items() if key != _WRITTEN and key not in shared}
    return {"anyOf": [value, {"type": "null"}], **shared}


if __name__ == "__main__":
    write_text(Path("config.yaml"), config_yaml(Config()))
    write_text(Path("config") / "schema.json", schema_json())
