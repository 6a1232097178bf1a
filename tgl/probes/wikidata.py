"""Probe files from Wikidata: what held at given dates, as Dynamic TempLAMA publishes it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tgl.config_probes import WikidataConfig
from tgl.errors import TglError
from tgl.files import atomic_path
from tgl.probes.rows import open_text
from tgl.probes.templama import BLANK
from tgl.probes.templates import OBJECT, SUBJECT, read_templates
from tgl.probes.wikidata_answer import is_answer, read_answer
from tgl.probes.wikidata_dump import read_dump
from tgl.probes.wikidata_facts import Fact, Facts, Query, whole_queries
from tgl.probes.wikidata_times import day_of


def write_wikidata(
    path: str | Path, dates: list[str], settings: WikidataConfig, output: str | Path
) -> Counter:
    """Write one JSON line for each query and date YYYYMMDD at which it has answers; return the counts.

    A line holds query (with _X_ for the answer), answer (a list of {wikidata_id, name}), date, id (QID_PID_DATE),
    relation and subject. Each statement of a relation that has a template is counted once: used, or under the reason
    why it is left out (`tgl.probes.wikidata_facts.REASONS`). Raises TglError naming file and line of what is wrong,
    and when nothing is left.
    """
    if len(set(dates)) < len(dates):
        raise TglError(f"dates: {dates} holds a date twice")
    days = {day_of(date): date for date in dates}
    templates = read_templates(settings.templates)
    facts = Facts(templates, list(days))
    with open_text(path) as stream:
        answer = is_answer(stream.read(1000))
    if answer:
        read_answer(path, facts)
    else:
        read_dump(path, facts, settings.sitelink, settings.language)
    queries = whole_queries(facts, settings.max_per_relation)
    counts = facts.counts
    counts["queries"] = len(queries)
    with atomic_path(output) as part, open(part, "w", encoding="utf-8") as lines:
        for record in records(queries, facts.labels, templates, days):
            counts["records"] += 1
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
        if not counts["records"]:
            raise TglError(f"{path}: no fact that holds at {', '.join(dates)}; counts: {dict(counts)}")
    return counts


def records(
    queries: Mapping[Query, list[Fact]],
    labels: Mapping[int, str],
    templates: Mapping[str, str],
    days: Mapping[int, str],
) -> Iterator[dict]:
    """Yield the records by date, relation and subject, the answers by their ids, however the input is ordered."""
    order = {relation: number for number, relation in enumerate(templates)}
    sorted_queries = sorted(queries, key=lambda query: (order[query[0]], query[1]))
    for day, date in days.items():
        for relation, subject in sorted_queries:
            answers = sorted({fact.object for fact in queries[relation, subject] if day in fact.days})
            if answers:
                question = templates[relation].replace(OBJECT, BLANK).replace(SUBJECT, labels[subject])
                yield {
                    "query": question,
                    "answer": [{"wikidata_id": f"Q{answer}", "name": labels[answer]} for answer in answers],
                    "date": date,
                    "id": f"Q{subject}_{relation}_{date}",
                    "relation": relation,
                    "subject": labels[subject],
                }
