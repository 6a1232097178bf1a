"""Make probes from TempLAMA and Dynamic TempLAMA files: a JSON list or JSON lines of query, answer and date.

A record may contain `subject`, as those that `tgl.probes.sets.wikidata` writes. Otherwise the template determines it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tgl.core.errors import TglError
from tgl.probes.probe_set import Inputs, ProbeSet
from tgl.probes.rows import read_records, split_of
from tgl.probes.settings import ProbesConfig, TemplamaConfig
from tgl.text.diff.sentences import sentence_key

BLANK = "_X_"

# The old templates of three relations start with the answer, so a causal model would have no left context.
_ANSWER_FIRST = (
    (re.compile(r"_X_ is the head coach of (.+?)\.?"), "The head coach of {S} is _X_."),
    (re.compile(r"_X_ is the chair of (.+?)\.?"), "The chair of {S} is _X_."),
    (
        re.compile(r"_X_ is the head of the government of (.+?)\.?"),
        "The head of the government of {S} is _X_.",
    ),
)

# The words before and after the subject in the published templates, old and improved, that end with the object.
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
    """An answer.

    Attributes:
        name: The name in its first spelling.
        normal_form: The normalised name.
        ids: The Wikidata ids, if any.
    """

    name: str
    normal_form: str
    ids: set[str] = field(default_factory=set)

    def is_one_of(self, others: Iterable[Answer]) -> bool:
        """Return whether others contain the same answer, by id if both have one, else by normal form."""
        return any(
            self.ids & other.ids or (self.normal_form == other.normal_form and not (self.ids and other.ids))
            for other in others
        )

    def has_name_of(self, others: Iterable[Answer]) -> bool:
        """Return whether others contain an answer of the same name, whatever its id."""
        return any(self.normal_form == other.normal_form for other in others)

    def stays_in(self, others: Iterable[Answer]) -> bool:
        """Return whether others contain the same answer or the same name, so that the text about it stays right."""
        return self.is_one_of(others) or self.has_name_of(others)


class Answers:
    """The distinct answers to one query at one date, in the order of the file."""

    def __init__(self) -> None:
        self._found: list[Answer] = []

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._found)

    def add(self, name: str, identity: str) -> bool:
        """Add an answer unless its id or normal form is already there.

        Returns:
            False if the answer is another name of one that is already there.
        """
        normal_form = sentence_key(name)
        for answer in self._found:
            if identity in answer.ids or answer.normal_form == normal_form:
                answer.ids |= {identity} - {""}
                return answer.normal_form == normal_form
        self._found.append(Answer(name, normal_form, {identity} - {""}))
        return True


def templama_probes(
    path: str | Path, pairs: dict[str, list[str]], settings: ProbesConfig, *, name: str = "templama"
) -> tuple[list[dict], Counter]:
    """Make one probe for each answer of the later date of each pair.

    The kind is `unchanged` (same query, and the answer also held at the earlier date), `updated` (same query, another
    answer) or `new` (the query does not occur at the earlier date). Two answers are the same if their `wikidata_id` is
    the same, or by their normal form (`sentence_key`) if one of them has no id. If an answer has several names at a
    date, the first is used and the others are counted as `other_names`.

    Every record of the two dates is counted once, as used or under the reason for which it is discarded. An answer that
    only the earlier date has is counted as `deleted_answers` if its query is gone too, as in Dynamic TempLAMA, else as
    `replaced_answers`. An answer with another id and the name of an earlier one gives no probe (`same_name_other_id`).
    Records are the same query if their ids differ in the date alone (Q1_P2_2019, or any id that ends in the date), or
    by their question; ids of another form are counted as `other_ids`.

    Args:
        path: The file.
        pairs: The earlier and later date, as written in the file, by period.
        settings: The section `probes` of the configuration.
        name: The name of the set in the rows.

    Returns:
        The rows of the table `probes`, and the counts.

    Raises:
        TglError: A record cannot be read, or a date does not occur in the file.
    """
    counts: Counter = Counter()
    # Both map a date and a query key: to the answers, and to the query's text, relation and subject.
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
                raise TypeError("query, date, id, relation and subject must be strings")
        except (KeyError, TypeError, AttributeError) as error:
            raise TglError(
                f"{path}, record {number}: query, date and answer (one or a list of {{name}}) must be given; "
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
        counts["other_ids"] += bool(optional[0]) and key == sentence_key(question)
        for answer in found:
            if answer[0] and not answers[date][key].add(*answer):
                counts["other_names"] += 1
        queries[date, key] = (question, relation, optional[2].strip())
        counts["used"] += 1
    rows: list[dict] = []
    for period, (before, after) in pairs.items():
        for date in (before, after):
            if date not in answers:
                raise TglError(
                    f"{path}: no usable query of date '{date}', which probes.{name} needs for period {period}. "
                    "Give dates that occur in the file"
                )
        for key, answered in answers[after].items():
            held = answers[before].get(key)
            for answer in answered:
                if held and not answer.is_one_of(held) and answer.has_name_of(held):
                    counts["same_name_other_id"] += 1  # The text stays the same, so nothing can be learned.
                    continue
                kind = "new" if held is None else "unchanged" if answer.is_one_of(held) else "updated"
                replaced = [other.name for other in held or () if not other.stays_in(answered)]
                counts[f"{kind}_probes"] += 1
                rows.append(
                    _row(
                        name,
                        key,
                        queries[after, key],
                        answer=answer.name,
                        old=replaced[0] if kind == "updated" and replaced else "",
                        of=(kind, period),
                        settings=settings,
                    )
                )
        counts.update(_lost(answers[before], answers[after]))
    return rows, counts


def _lost(before: Mapping[str, Answers], after: Mapping[str, Answers]) -> Counter:
    """Count the answers that only the earlier date has, by whether their query is gone too."""
    counts: Counter = Counter()
    for key, held in before.items():
        kind = "replaced_answers" if key in after else "deleted_answers"
        counts[kind] += sum(not answer.stays_in(after.get(key, ())) for answer in held)
    return counts


def _object_last(query: str) -> str | None:
    """Return the query with its blank at the end, or None if that is impossible."""
    for pattern, template in _ANSWER_FIRST:
        if match := pattern.fullmatch(query.strip()):
            return template.format(S=match[1])
    left, blank, right = query.partition(BLANK)
    return query if blank and left.strip() and not right.strip(" .") else None


def _key(record: dict, question: str, date: str) -> tuple[str, str]:
    """Return (query key, relation).

    The key is the id without its date. Without an id that ends in the date, it is the normal form of the question.
    """
    identity = record.get("id") or ""
    match = re.fullmatch(r"(Q\d+)_(P\d+)_.*", identity)
    relation = record.get("relation") or (match[2] if match else "")
    if match:
        return f"{match[1]}_{match[2]}", relation
    own = re.fullmatch(rf"(.+)[-_ ./:]{re.escape(date)}", identity)
    return (own[1] if own else sentence_key(question)), relation


def _row(
    name: str,
    key: str,
    query: tuple[str, str, str],
    *,
    answer: str,
    old: str,
    of: tuple[str, str],
    settings: ProbesConfig,
) -> dict:
    kind, period = of
    question, relation, subject = query
    left, _, right = question.partition(BLANK)
    right = "" if answer.endswith(".") and right.startswith(".") else right  # avoids ".." after "F.C."
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
        "old_answer": old,
    }


def _subject_key(key: str) -> str | None:
    """Return the subject's id in a query key, or None if the records have no ids."""
    match = re.fullmatch(r"(Q\d+)_P\d+", key)
    return match[1] if match else None


def subject_of(left: str) -> str:
    """Return the subject's name from the text left of the answer, or all of that text for an unknown template."""
    start = _BEFORE_SUBJECT.match(left)
    rest = left[start.end() :] if start else left
    end = _AFTER_SUBJECT.search(rest, 1)
    return rest[: end.start()].strip() if end else left.strip()


def _make(inputs: Inputs) -> tuple[list[dict], Counter]:
    return templama_probes(inputs.own.file, inputs.own.pairs, inputs.settings)


PROBE_SET = ProbeSet(_make, TemplamaConfig, files=("file",))
