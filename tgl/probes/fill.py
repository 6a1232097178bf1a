"""Give probes candidates to rank: the answers of other probes of the same relation."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable

# A relation in words that fewer probes share is too rare to swap or rank answers in.
_FEWEST = 6


def with_common_relations(rows: Iterable[dict]) -> list[dict]:
    """Return the rows; relations that fewer than 6 probes share lose their words: 'number: xyz' becomes 'number'."""
    rows = list(rows)
    shared = Counter(row["relation"] for row in rows)
    return [
        row if shared[row["relation"]] >= _FEWEST else {**row, "relation": row["relation"].partition(":")[0]}
        for row in rows
    ]


def with_candidates(rows: Iterable[dict], most: int) -> list[dict]:
    """Return the rows; those without candidates get the answer, the old answer, and answers of the same relation.

    The answers are those of the same set and relation. Other right answers to the same question are not among them. A
    probe with no other answer keeps an empty list, so it is not ranked.

    Args:
        rows: Rows of the table `probes`.
        most: Candidates of a probe at most, the right one included. Below 2, no probe gets any.
    """
    rows = list(rows)
    right: dict[str, set[str]] = defaultdict(set)
    by_relation: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        right[row["answer_group"]].add(answer_of(row))
        by_relation[row["set"], row["relation"]].add(answer_of(row))
    pools = {key: sorted(answers) for key, answers in by_relation.items()}
    return [
        row if row["candidates"] else {**row, "candidates": _drawn(row, pools, right, most=most)}
        for row in rows
    ]


def answer_of(row: dict) -> str:
    """Return the text of the span of a probe."""
    return row["text"][row["span_start"] : row["span_end"]]


def _drawn(row: dict, pools: dict, right: dict[str, set[str]], *, most: int) -> list[str]:
    old = [row["old_answer"]] if row["old_answer"] else []
    excluded = right[row["answer_group"]] | set(old)
    others = [answer for answer in pools[row["set"], row["relation"]] if answer not in excluded]
    number = max(0, most - 1 - len(old))
    rng = random.Random(f"candidates:{row['id']}")
    found = [*old, *rng.sample(others, min(number, len(others)))]
    return sorted([answer_of(row), *found]) if found and most > 1 else []
