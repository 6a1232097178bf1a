"""Collect the facts of Wikidata that hold at the wanted days, grouped into complete queries.

A query is a subject and a relation. It is kept with all its answers or not at all. If one answer were discarded, for
example because its end is uncertain or its object has no label, the other answers would look new or updated.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tgl.probes.rows import drawn
from tgl.probes.wikidata.times import Time, days_held

# The reasons for which statements are discarded. Their counts and `used` add up to `statements`.
REASONS = (
    "other_relation",  # the relation has no template
    "deprecated",
    "subject_not_an_item",
    "subject_without_article",
    "subject_without_label",
    "value_unknown",  # the value is unknown, or the statement is that there is none
    "value_not_an_item",
    "no_start",
    "point_in_time",
    "start_unknown",
    "several_times",
    "broken_time",  # the day does not exist
    "odd_statement",  # not in the layout of a statement, such as a time that the software marked as bad
    "other_dates",  # the fact holds at none of the wanted days
    "uncertain",  # the fact may hold at one of the wanted days
    "object_without_label",
    "query_not_whole",  # another fact of the same query has one of the previous two reasons
    "over_max_per_relation",
)
Query = tuple[str, int]  # the property id and the number of the subject


@dataclass(frozen=True, slots=True)
class Fact:
    """An object of a query (42 for Q42), with the days at which the fact holds."""

    query: Query
    object: int
    days: tuple[int, ...]


class Facts:
    """Hold what a reader collects: facts, labels by item number, incomplete queries, and counts."""

    def __init__(self, relations: Collection[str], days: Sequence[int]) -> None:
        self.relations, self.days = frozenset(relations), tuple(days)
        self.facts: list[Fact] = []
        self.labels: dict[int, str] = {}
        self.not_whole: set[Query] = set()
        self.counts: Counter = Counter()

    def add(
        self, query: Query, value: int, starts: Iterable[Time], *, ends: Iterable[Time], has_point: bool
    ) -> str | None:
        """Add a statement.

        Args:
            query: The property id and the subject.
            value: The number of the object.
            starts: The start times of the statement.
            ends: The end times of the statement.
            has_point: Whether the statement has a point in time.

        Returns:
            None if the statement is added, else the reason for which it is discarded.
        """
        found = days_held(starts, ends, has_point, days=self.days)
        if not isinstance(found, str):
            self.facts.append(Fact(query, value, found))
            return None
        if found == "uncertain":
            self.not_whole.add(query)
        return found

    def objects_without_label(self) -> set[int]:
        """Return the objects of facts whose labels are still missing."""
        return {fact.object for fact in self.facts} - self.labels.keys()


def whole_queries(facts: Facts, most: int | None) -> dict[Query, list[Fact]]:
    """Return the facts of complete queries, and count every fact.

    Args:
        facts: The facts. Their counts are updated in place.
        most: The largest number of queries of each relation, selected by hash. None means no limit.
    """
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
    """Return 42 for Q42.

    Raises:
        ValueError: The text is not the id of an item.
    """
    match = re.fullmatch(r"Q([1-9][0-9]{0,17})", identity)
    if not match:
        raise ValueError(f"'{identity}' is not the id of an item, such as Q42")
    return int(match[1])


def one_line(label: str) -> str:
    """Return a label with single spaces between its words."""
    return " ".join(label.split())
