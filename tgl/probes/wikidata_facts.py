"""Facts of Wikidata that hold at wanted days, and the queries that they answer whole.

A query is a subject and a relation. It is kept with all its answers or not at all: were one left out because its end
is uncertain or its object has no label, others would pass for new or updated.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tgl.probes.rows import drawn
from tgl.probes.wikidata_times import Time, days_held

# Why a statement is left out; with `used` they add up to `statements`.
REASONS = (
    "other_relation",  # has no template
    "deprecated",
    "subject_not_an_item",
    "subject_without_article",
    "subject_without_label",
    "value_unknown",  # unknown, or said to be none
    "value_not_an_item",
    "no_start",
    "point_in_time",
    "start_unknown",
    "several_times",
    "broken_time",  # a day that does not exist
    "other_dates",  # holds at none of the wanted days
    "uncertain",  # may hold at one of the wanted days
    "object_without_label",
    "query_not_whole",  # one of the same query has one of the last two reasons
    "over_max_per_relation",
)
Query = tuple[str, int]  # a property id, and the number of the subject


@dataclass(frozen=True, slots=True)
class Fact:
    """The object (42 for Q42) of a query at days."""

    query: Query
    object: int
    days: tuple[int, ...]


class Facts:
    """What a reader gathers: facts, labels of items by their number, queries that are not whole, and counts."""

    def __init__(self, relations: Collection[str], days: Sequence[int]) -> None:
        self.relations, self.days = frozenset(relations), tuple(days)
        self.facts: list[Fact] = []
        self.labels: dict[int, str] = {}
        self.not_whole: set[Query] = set()
        self.counts: Counter = Counter()

    def add(
        self, query: Query, value: int, starts: Iterable[Time], ends: Iterable[Time], has_point: bool
    ) -> str | None:
        """Take in a statement; return the reason where it is left out."""
        found = days_held(starts, ends, has_point, self.days)
        if not isinstance(found, str):
            self.facts.append(Fact(query, value, found))
            return None
        if found == "uncertain":
            self.not_whole.add(query)
        return found

    def objects_without_label(self) -> set[int]:
        """Return the objects of facts whose labels are still to be found."""
        return {fact.object for fact in self.facts} - self.labels.keys()


def whole_queries(facts: Facts, most: int | None) -> dict[Query, list[Fact]]:
    """Return the facts of whole queries, at most `most` queries a relation, drawn by hash, and count every fact."""
    labelled, not_whole = [], set(facts.not_whole)
    for fact in facts.facts:
        if fact.object in facts.labels:
            labelled.append(fact)
        else:
            facts.counts["object_without_label"] += 1
            not_whole.add(fact.query)
    queries: dict[Query, list[Fact]] = defaultdict(list)
    for fact in labelled:
        if fact.query in not_whole:
            facts.counts["query_not_whole"] += 1
        else:
            queries[fact.query].append(fact)
    by_relation: dict[str, list[Query]] = defaultdict(list)
    for query in queries:
        by_relation[query[0]].append(query)
    kept = {}
    for members in by_relation.values():
        members.sort(key=lambda query: (drawn(f"wikidata:{query[0]}:{query[1]}"), query))
        for query in members[:most]:
            kept[query] = queries[query]
        over = sum(len(queries[query]) for query in members[len(members[:most]) :])
        facts.counts["over_max_per_relation"] += over
    facts.counts["used"] = sum(map(len, kept.values()))
    return kept


def item_number(identity: str) -> int:
    """Return 42 for Q42. Raises ValueError for what is no id of an item."""
    match = re.fullmatch(r"Q([1-9][0-9]{0,17})", identity)
    if not match:
        raise ValueError(f"'{identity}' is no id of an item, as Q42")
    return int(match[1])


def one_line(label: str) -> str:
    """Return a label with single spaces between its words."""
    return " ".join(label.split())
