"""Read the templates of probes: a CSV `Wikidata ID,Relation,Template`, in the format of TempLAMA."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from tgl.core.errors import TglError

SHIPPED = Path(__file__).with_suffix(".csv")
SUBJECT, OBJECT = "<subject>", "<object>"
_COLUMNS = ("Wikidata ID", "Relation", "Template")


def read_templates(path: str | Path | None) -> dict[str, str]:
    """Return the template of each property id, in the order of the file.

    Each template contains <subject> and ends in <object> and a full stop. Templates that start with the object are
    rejected, although the loader of TempLAMA files rewrites some of them. The author of a table can rewrite them.

    Args:
        path: The CSV file, or None for the file that the package ships.

    Raises:
        TglError: The file cannot be read or a template is wrong. The message names the file and the line.
    """
    path = SHIPPED if path is None else Path(path)
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                raise TglError(
                    f"{path}: found the columns {','.join(reader.fieldnames or ())}, expected {','.join(_COLUMNS)}"
                )
            for row in reader:
                relation, template = (row["Wikidata ID"] or "").strip(), (row["Template"] or "").strip()
                if problem := _problem(relation, template, found):
                    raise TglError(f"{path}, line {reader.line_num}: {problem}")
                found[relation] = template
    except (OSError, UnicodeError, csv.Error) as error:
        raise TglError(f"{path}: cannot be read as a table of templates ({error})") from None
    if not found:
        raise TglError(f"{path}: no template found. Expected lines of {','.join(_COLUMNS)}")
    return found


def _problem(relation: str, template: str, found: dict[str, str]) -> str | None:
    if not re.fullmatch(r"P[1-9]\d{0,17}", relation):
        return f"'{relation}' is not a property id, expected an id such as P54"
    if relation in found:
        return f"second template for {relation}, expected one template for each property"
    if SUBJECT not in template or template.count(OBJECT) != 1:
        return f"'{template}' must contain {SUBJECT}, and {OBJECT} exactly once"
    if not template.endswith(f"{OBJECT}."):
        return f"'{template}' must end in '{OBJECT}.', because a model reads the text before it. Rewrite the sentence"
    return None
