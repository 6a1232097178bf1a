"""Templates of probes: a CSV `Wikidata ID,Relation,Template`, as TempLAMA publishes them, the object last."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from tgl.errors import TglError

SHIPPED = Path(__file__).with_suffix(".csv")
SUBJECT, OBJECT = "<subject>", "<object>"
_COLUMNS = ("Wikidata ID", "Relation", "Template")


def read_templates(path: str | Path | None) -> dict[str, str]:
    """Return the template of each property id, in the file's order; None: of the shipped file.

    Each holds <subject> and ends in <object> and a full stop. One that begins with the object is refused, also those
    that the loader of TempLAMA's files turns: whoever writes a table can turn it. Raises TglError naming file and line.
    """
    path = SHIPPED if path is None else Path(path)
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                raise TglError(
                    f"{path}: the columns {','.join(_COLUMNS)} expected, {','.join(reader.fieldnames or ())} found"
                )
            for row in reader:
                relation, template = (row["Wikidata ID"] or "").strip(), (row["Template"] or "").strip()
                if problem := _problem(relation, template, found):
                    raise TglError(f"{path}, line {reader.line_num}: {problem}")
                found[relation] = template
    except (OSError, UnicodeError, csv.Error) as error:
        raise TglError(f"{path}: cannot be read as a table of templates ({error})") from None
    if not found:
        raise TglError(f"{path}: no template found; expected lines {','.join(_COLUMNS)}")
    return found


def _problem(relation: str, template: str, found: dict[str, str]) -> str | None:
    if not re.fullmatch(r"P[1-9]\d{0,17}", relation):
        return f"'{relation}' is no property id; expected one as P54"
    if relation in found:
        return f"a second template for {relation}; expected one a property"
    if SUBJECT not in template or template.count(OBJECT) != 1:
        return f"'{template}' must hold {SUBJECT}, and {OBJECT} once"
    if not template.endswith(f"{OBJECT}."):
        return f"'{template}' must end in '{OBJECT}.': a model reads what stands left of it; turn the sentence round"
    return None
