"""Read facts from Wikidata entity dumps.

A dump is a JSON array with one entity on each line, or JSON lines, compressed or not. It is read twice, line by line:
first for the statements of the wanted relations, then for the labels of their objects. Memory holds only labels and the
facts that hold at a wanted day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.json_text import parse_json
from tgl.core.open_text import open_text
from tgl.core.progress import bar
from tgl.probes.wikidata.facts import Facts, item_number, one_line
from tgl.probes.wikidata.resume import Resume
from tgl.probes.wikidata.times import Time

# Limit of the characters of an entity. Wikidata itself allows a few million.
_MOST_CHARACTERS = 1 << 25
_ITEM = re.compile(r'\{"type":"item","id":"Q([1-9][0-9]{0,17})"')
# The code of labels for all languages, the fallback for items without a label in the wanted language.
_ALL_LANGUAGES = "mul"
_FAULTS = (ValueError, KeyError, TypeError, AttributeError)


def read_dump(
    path: str | Path, facts: Facts, sitelink: str | None, *, language: str, resume: Resume | None = None
) -> None:
    """Add the facts and labels of a dump to `facts`.

    Args:
        path: The dump.
        facts: The facts, updated in place.
        sitelink: The wiki in which a subject must have an article, or None for no condition.
        language: The language of the labels.
        resume: The state of this run, saved from time to time.

    Raises:
        TglError: No line with a wanted relation is an entity, or the file is cut off. The message names the line.
            Single odd entities and statements are counted and left out.
    """
    wanted = re.compile(f'"P(?:{"|".join(relation[1:] for relation in facts.relations)})"')
    faults: list[TglError] = []  # of the first odd entity, should there be no other one
    lines = (lambda number, found: found) if resume is None else resume.lines
    for number, line in lines(1, _entity_lines(path, "facts")):
        facts.counts["entities"] += 1
        if wanted.search(line):
            try:
                _add_entity(_entity(line), facts, sitelink, language=language)
            except _FAULTS as error:
                facts.counts["odd_entity"] += 1
                faults = faults or [_no_entity(path, number, error)]
    if faults and not facts.counts["statements"]:
        raise faults[0]
    missing = facts.objects_without_label()
    for _, line in lines(2, _entity_lines(path, "labels")):
        match = _ITEM.match(line)
        if match and int(match[1]) not in missing:
            continue
        try:
            entity = _entity(line)
            if entity["type"] == "item" and (label := _label(entity, language)):
                item = item_number(entity["id"])
                if item in missing:
                    facts.labels[item] = label
        except _FAULTS:
            facts.counts["odd_entity"] += (
                match is not None
            )  # counted in the first pass where it has statements


def _entity_lines(path: str | Path, what: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, JSON text) of each entity, and show the progress of collecting what is named."""
    number, opened, closed = 0, False, False
    size = Path(path).stat().st_size if Path(path).is_file() else 0
    with (
        bar(f"{what} of {Path(path).name}", "MiB") as progress,
        open_text(
            path,
            "an entity dump of Wikidata",
            position=lambda done: progress.update(done >> 20, size >> 20),
        ) as stream,
    ):
        while line := stream.readline(_MOST_CHARACTERS + 1):
            number += 1
            if len(line) > _MOST_CHARACTERS:
                raise TglError(
                    f"{path}, line {number}: more than {_MOST_CHARACTERS} characters. Expected an entity dump"
                )
            line = line.strip()
            if line == "[" and number == 1:
                opened = True
            elif line == "]" and opened and not closed:
                closed = True
            elif line:
                line = line.removesuffix(",")
                if closed or not (line.startswith("{") and line.endswith("}")):
                    raise TglError(
                        f"{path}, line {number}: found {line[:40]!r}, expected one entity {{...}} on each line, "
                        "between the lines [ and ]"
                    )
                yield number, line
    if opened and not closed:
        raise TglError(f"{path}: ends before the line ]. The file is cut off, download it again")


def _no_entity(path: str | Path, number: int, error: Exception) -> TglError:
    return TglError(
        f"{path}, line {number}: not an entity in Wikidata's JSON layout ({error!r}). Download the dump again"
    )


def _entity(line: str) -> dict:
    """Return the entity of a line. Raises one of `_FAULTS` for a redirect and for anything else that is none."""
    entity = _mapping(parse_json(line))
    if not {"type", "id"} <= entity.keys():
        raise KeyError(f"type and id; found {', '.join(map(str, entity))}")
    return entity


def _add_entity(entity: dict, facts: Facts, sitelink: str | None, *, language: str) -> None:
    label, reason = _label(entity, language), None
    subject = item_number(entity["id"]) if entity["type"] == "item" else 0
    if entity["type"] != "item":
        reason = "subject_not_an_item"
    elif sitelink is not None and sitelink not in _mapping(entity.get("sitelinks")):
        reason = "subject_without_article"
    elif not label:
        reason = "subject_without_label"
    for relation, statements in _mapping(entity.get("claims")).items():
        if relation in facts.relations:
            for statement in statements:
                try:
                    discarded = reason
                    if statement["rank"] == "deprecated":
                        discarded = "deprecated"
                    elif reason is None:
                        discarded = _add_statement(statement, relation, subject, facts=facts)
                        if discarded is None:
                            facts.labels[subject] = label
                except _FAULTS:
                    discarded = "odd_statement"
                facts.counts["statements"] += 1
                if discarded:
                    facts.counts[discarded] += 1


def _add_statement(statement: dict, relation: str, subject: int, *, facts: Facts) -> str | None:
    """Add a statement that is not deprecated; return None, or the reason if it is discarded."""
    snak = statement["mainsnak"]
    if snak["snaktype"] != "value":
        return "value_unknown"
    value = snak["datavalue"]["value"]
    if snak["datavalue"]["type"] != "wikibase-entityid" or value["entity-type"] != "item":
        return "value_not_an_item"
    # Dumps before 2017 contain only the number.
    item = item_number(value["id"] if "id" in value else f"Q{value['numeric-id']}")
    qualifiers = _mapping(statement.get("qualifiers"))
    starts = [_time(snak) for snak in qualifiers.get("P580", ())]
    ends = [_time(snak) for snak in qualifiers.get("P582", ()) if snak["snaktype"] != "novalue"]
    return facts.add((relation, subject), item, starts, ends=ends, has_point="P585" in qualifiers)


def _time(snak: dict) -> Time:
    if snak["snaktype"] != "value":
        return None
    value = snak["datavalue"]["value"]
    if not isinstance(value["time"], str) or type(value["precision"]) is not int:
        raise TypeError("time must be a string and precision an integer")
    return value["time"], value["precision"]


def _label(entity: dict, language: str) -> str:
    """Return the label of an entity, or "" if there is none."""
    labels = _mapping(entity.get("labels"))
    # As Wikidata shows them: en-gb where there is no en, then the label for all languages.
    variants = sorted(key for key in labels if key.startswith(f"{language}-"))
    keys = (language, *variants, _ALL_LANGUAGES)
    return next((one_line(labels[key]["value"]) for key in keys if key in labels), "")


def _mapping(value: object) -> dict:
    """Return a JSON object; an empty one may be written as [], because Wikidata's PHP code does so."""
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"found {type(value).__name__}, expected a JSON object")
    return value
