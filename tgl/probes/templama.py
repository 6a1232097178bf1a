"""Probes from TempLAMA and Dynamic TempLAMA files (a JSON list or JSON lines of query, answer, date).

A record may hold `subject` too, as those that `tgl.probes.wikidata` writes; elsewhere it is told from the template.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tgl.config_probes import ProbesConfig
from tgl.diff.sentences import sentence_key
from tgl.errors import TglError
from tgl.probes.rows import read_records, split_of

BLANK = "_X_"

# The old templates of three relations put the answer first and leave a causal model no left context.
_ANSWER_FIRST = (
    (re.compile(r"_X_ is the head coach of (.+?)\.?"), "The head coach of {S} is _X_."),
    (re.compile(r"_X_ is the chair of (.+?)\.?"), "The chair of {S} is _X_."),
    (
        re.compile(r"_X_ is the head of the government of (.+?)\.?"),
        "The head of the government of {S} is _X_.",
    ),
)

# What stands before and after the subject in the published templates, old and improved, whose object is last.
_BEFORE_SUBJECT = re.compile(
    r"The (?:name of the (?:team|country|company) that|position that|location that|language that|date|place"
    r"|(?:name of the )?(?:head coach|chair|head of the government) of(?: the(?= [a-z]))?"
    r"|(?:official language|native language|profession) of|entity that inspired the name of) "
    r"|One of the countries that "
)
_AFTER_SUBJECT = re.compile(
    r" (?:plays for|holds|works for|has a job|is a member of|attended|is (?:considered to be )?owned by|was born|died"
    r"|has citizenship|is a legal term|is (?:a |named after|produced by)|used to|is)\b"
)


@dataclass
class Answer:
    """An answer as it is written first, its normal form, and the ids that Wikidata knows it under, if any."""

    name: str
    normal_form: str
    ids: set[str] = field(default_factory=set)

    def is_one_of(self, others: Iterable[Answer]) -> bool:
        """Tell whether others hold the same answer: by id where both have one, else by normal form."""
        return any(
            self.ids & other.ids or (self.normal_form == other.normal_form and not (self.ids and other.ids))
            for other in others
        )


class Answers:
    """The answers to one query at one date, each once, in the file's order."""

    def __init__(self) -> None:
        self._found: list[Answer] = []

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._found)

    def add(self, name: str, identity: str) -> bool:
        """Add an answer that is not there yet, by id or normal form; return False for another name of one."""
        normal_form = sentence_key(name)
        for answer in self._found:
            if identity in answer.ids or answer.normal_form == normal_form:
                answer.ids |= {identity} - {""}
                return answer.normal_form == normal_form
        self._found.append(Answer(name, normal_form, {identity} - {""}))
        return True


def templama_probes(
    path: str | Path, pairs: dict[str, list[str]], settings: ProbesConfig, name: str = "templama"
) -> tuple[list[dict], Counter]:
    """Return (rows of `probes`, counts); `pairs` maps a period to its (earlier, later) date in the file.

    One row an answer of the later date: `unchanged` (same query, answer held at the earlier date), `updated`
    (same query, answer not held), `new` (query not seen at the earlier date). Answers are the same by their
    `wikidata_id` where both have one, else by their normal form (`sentence_key`); of several names of one at a date the
    first is taken, and the others are counted (`other_names`). Every record of the two dates is
    counted once: used, or under the reason it is left out. An answer of the earlier date that the later one lacks is
    counted as `deleted_answers` when its query is gone, as Dynamic TempLAMA counts them, else as `replaced_answers`.
    `name`: the set that the rows are of. Raises TglError when a date does not occur.
    """
    counts: Counter = Counter()
    # date -> query key -> answers, and the query's text, relation and subject
    answers: dict[str, dict[str, Answers]] = defaultdict(lambda: defaultdict(Answers))
    queries: dict[tuple[str, str], tuple[str, str, str]] = {}
    wanted = {date for pair in pairs.values() for date in pair}
    for number, record in read_records(path):
        counts["records"] += 1
        try:
            query, date = record["query"], record["date"]
            given = record["answer"] if isinstance(record["answer"], list) else [record["answer"]]
            found = [(answer["name"].strip(), (answer.get("wikidata_id") or "").strip()) for answer in given]
            optional = [record.get(key) or "" for key in ("id", "relation", "subject")]
            if not all(isinstance(text, str) for text in (query, date, *optional)):
                raise TypeError("query, date, id, relation and subject must be texts")
        except (KeyError, TypeError, AttributeError) as error:
            raise TglError(
                f"{path}, record {number}: query, date and answer (one or a list of {{name}}) expected; "
                f"found the keys {sorted(record)} ({error!r})"
            ) from None
        if date not in wanted:
            counts["other_date"] += 1
            continue
        question = _object_last(query)
        if question is None:
            counts["answer_not_last"] += 1
            continue
        if not any(name for name, _ in found):
            counts["empty_answer"] += 1
            continue
        key, relation = _key(record, question, date)
        for answer in found:
            if answer[0] and not answers[date][key].add(*answer):
                counts["other_names"] += 1
        queries[date, key] = (question, relation, optional[2].strip())
        counts["used"] += 1
    rows: list[dict] = []
    for period, (before, after) in pairs.items():
        for date in (before, after):
            if date not in answers:
                raise TglError(f"{path}: no usable query of date '{date}', which period {period} asks for")
        for key, answered in answers[after].items():
            held = answers[before].get(key)
            for answer in answered:
                kind = "new" if held is None else "unchanged" if answer.is_one_of(held) else "updated"
                counts[f"{kind}_probes"] += 1
                rows.append(_row(name, key, queries[after, key], answer.name, kind, period, settings))
        counts.update(_lost(answers[before], answers[after]))
    return rows, counts


def _lost(before: Mapping[str, Answers], after: Mapping[str, Answers]) -> Counter:
    """Count the answers of the earlier date that the later one lacks, by whether their query is gone as well."""
    counts: Counter = Counter()
    for key, held in before.items():
        kind = "replaced_answers" if key in after else "deleted_answers"
        counts[kind] += sum(not answer.is_one_of(after.get(key, ())) for answer in held)
    return counts


def _object_last(query: str) -> str | None:
    """Return the query with its blank at the end, or None when that is impossible."""
    for pattern, template in _ANSWER_FIRST:
        if match := pattern.fullmatch(query.strip()):
            return template.format(S=match[1])
    left, blank, right = query.partition(BLANK)
    return query if blank and left.strip() and not right.strip(" .") else None


def _key(record: dict, question: str, date: str) -> tuple[str, str]:
    """Return (query key, relation): the id without its date, or the question's normal form where ids are missing."""
    identity = record.get("id") or ""
    match = re.fullmatch(r"(Q\d+)_(P\d+)_.*", identity)
    relation = record.get("relation") or (match[2] if match else "")
    return (f"{match[1]}_{match[2]}" if match else sentence_key(question)), relation


def _row(
    name: str,
    key: str,
    query: tuple[str, str, str],
    answer: str,
    kind: str,
    period: str,
    settings: ProbesConfig,
) -> dict:
    question, relation, subject = query
    left, _, right = question.partition(BLANK)
    right = "" if answer.endswith(".") and right.startswith(".") else right  # "F.C." would give ".."
    return {
        "id": f"{name}-{period}-{key}-{answer}",
        "set": name,
        "kind": kind,
        "period": period,
        "relation": relation,
        "subject": subject or subject_of(left),
        "text": left + answer + right,
        "span_start": len(left),
        "span_end": len(left) + len(answer),
        "answer_group": f"{name}-{period}-{key}",
        "split": split_of(_subject_key(key) or subject or subject_of(left), settings),
        "candidates": [],
    }


def _subject_key(key: str) -> str | None:
    """Return the subject's id in a query key, None where the records have no ids."""
    match = re.fullmatch(r"(Q\d+)_P\d+", key)
    return match[1] if match else None


def subject_of(left: str) -> str:
    """Return the subject's name in what stands left of the answer; all of it for an unknown template."""
    start = _BEFORE_SUBJECT.match(left)
    rest = left[start.end() :] if start else left
    end = _AFTER_SUBJECT.search(rest, 1)
    return rest[: end.start()].strip() if end else left.strip()
