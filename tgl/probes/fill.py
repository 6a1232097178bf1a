"""Give probes candidates to rank: the answers of other probes of the same relation."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable

from tgl.text.diff.sentences import sentence_key

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
    right: dict[object, set[str]] = defaultdict(set)
    by_relation: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for question in _questions(row):
            right[question].add(_plain(answer_of(row)))
        by_relation[row["set"], row["relation"]].add(answer_of(row))
    pools = {key: sorted(answers) for key, answers in by_relation.items()}
    return [
        row if row["candidates"] else {**row, "candidates": _drawn(row, pools, right, most=most)}
        for row in rows
    ]


def _questions(row: dict) -> tuple[object, object]:
    """Return what other right answers to the same question share: the answer group, or the text before the answer."""
    return row["answer_group"], (row["set"], row["period"], _plain(row["text"][: row["span_start"]]))


def same_text(one: str, other: str) -> bool:
    """Return whether two answers differ in nothing but spaces and Unicode form."""
    return sentence_key(one) == sentence_key(other)


def _plain(text: str) -> str:
    return sentence_key(text).casefold()


def answer_of(row: dict) -> str:
    """Return the text of the span of a probe."""
    return row["text"][row["span_start"] : row["span_end"]]


def _drawn(row: dict, pools: dict, right: dict[str, set[str]], *, most: int) -> list[str]:
    old = [row["old_answer"]] if row["old_answer"] else []
    excluded = {_plain(answer) for answer in old}.union(*(right[question] for question in _questions(row)))
    others: dict[str, str] = {}  # by plain text, so that no answer is there in two spellings
    for answer in pools[row["set"], row["relation"]]:
        if _plain(answer) not in excluded:
            others.setdefault(_plain(answer), answer)
    number = max(0, most - 1 - len(old))
    rng = random.Random(f"candidates:{row['id']}")
    found = [*old, *rng.sample(list(others.values()), min(number, len(others)))]
    return sorted([answer_of(row), *found]) if found and most > 1 else []
