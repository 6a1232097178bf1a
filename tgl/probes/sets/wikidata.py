"""Make probe files from Wikidata: the facts that hold at given dates, in the format of Dynamic TempLAMA."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tgl.core.code_hash import code_hash
from tgl.core.errors import TglError
from tgl.core.files import atomic_path
from tgl.core.open_text import open_text
from tgl.probes.probe_set import Inputs, ProbeSet
from tgl.probes.relations import OBJECT, SUBJECT, read_templates
from tgl.probes.sets.templama import BLANK, templama_probes
from tgl.probes.settings import WikidataConfig
from tgl.probes.wikidata.answer import is_answer, read_answer
from tgl.probes.wikidata.dump import read_dump
from tgl.probes.wikidata.facts import Fact, Facts, Query, whole_queries
from tgl.probes.wikidata.resume import Resume
from tgl.probes.wikidata.times import day_of


def write_wikidata(
    path: str | Path,
    dates: list[str],
    settings: WikidataConfig,
    *,
    output: str | Path,
    say: Callable[[str], None] = print,
) -> Counter:
    """Write one JSON line for each query and date at which the query has answers.

    A line has the keys query (with _X_ in place of the answer), answer (a list of {wikidata_id, name}), date, id
    (QID_PID_DATE), relation and subject. Each statement of a relation that has a template is counted once, as used or
    under the reason for which it is discarded (`tgl.probes.wikidata.facts.REASONS`).

    Args:
        path: The entity dump or SPARQL answer.
        dates: The dates, as YYYYMMDD.
        settings: The section `probes.wikidata` of the configuration.
        output: The file to write. A dump takes long to read, so its state is saved to OUTPUT.state every ten minutes;
            the same call goes on from there.
        say: Logs a line.

    Returns:
        The counts.

    Raises:
        TglError: The input is wrong, or no fact holds at the dates. The message names the file and the line.
    """
    if len(set(dates)) < len(dates):
        raise TglError(f"dates: {dates} contains a date twice. Give each date once")
    days = {day_of(date): date for date in dates}
    templates = read_templates(settings.templates)
    facts = Facts(templates, list(days))
    with open_text(path, "an entity dump of Wikidata, or the answer of a SPARQL service") as stream:
        answer = is_answer(stream.read(1000))
    resume = Resume(Path(f"{output}.state"), _key(path, facts, settings), facts)
    if answer:
        read_answer(path, facts)
    else:
        if resume.load():
            say(
                f"{path}: goes on in pass {resume.place[0]} of 2 after line {resume.place[1]}, as {resume.path} says"
            )
        elif resume.path.exists():
            say(
                f"{resume.path}: not used, because it is damaged or of another dump, other settings or other code; "
                "everything is read from the start"
            )
        read_dump(path, facts, settings.sitelink, language=settings.language, resume=resume)
    queries = whole_queries(facts, settings.max_per_relation)
    counts = facts.counts
    counts["queries"] = len(queries)
    with atomic_path(output) as part, open(part, "w", encoding="utf-8") as lines:
        for record in records(queries, facts.labels, templates, days=days):
            counts["records"] += 1
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
        if not counts["records"]:
            resume.finish()
            raise TglError(
                f"{path}: no fact that holds at {', '.join(dates)}; counts: {dict(counts)}. Check the dates and "
                "the settings in probes.wikidata"
            )
    resume.finish()
    return counts


def _key(path: str | Path, facts: Facts, settings: WikidataConfig) -> dict:
    """Return what the facts of a dump depend on."""
    found = Path(path).stat()
    return {
        "file": [os.path.abspath(path), found.st_size, found.st_mtime_ns],
        "relations": sorted(facts.relations),
        "days": facts.days,
        "sitelink": settings.sitelink,
        "language": settings.language,
        "code": code_hash("tgl.probes.wikidata.dump"),
    }


def records(
    queries: Mapping[Query, list[Fact]],
    labels: Mapping[int, str],
    templates: Mapping[str, str],
    *,
    days: Mapping[int, str],
) -> Iterator[dict]:
    """Yield the records sorted by date, relation and subject, with answers sorted by id.

    The order does not depend on the order of the input.
    """
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


def _make(inputs: Inputs) -> tuple[list[dict], Counter]:
    dates, (answers,) = inputs.dates, inputs.files["wikidata"]
    pairs = {later: [earlier, later] for earlier, later in zip(dates, dates[1:], strict=False)}
    return templama_probes(answers, pairs, inputs.settings, name="wikidata")


PROBE_SET = ProbeSet(
    _make,
    WikidataConfig,
    files=("file", "templates"),
    needs="--wikidata FILE with the lines that `tgl wikidata` writes",
)
