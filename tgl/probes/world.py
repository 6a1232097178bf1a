"""Probes from the synthetic world's own fact table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from tgl.config_probes import ProbesConfig
from tgl.probes.rows import split_of
from tgl.text.documents import part_of


def world_probes(
    facts: Iterable[dict], dates: list[str], settings: ProbesConfig, holdout_share: float
) -> tuple[list[dict], Counter]:
    """Return (rows of `probes`, counts of facts kept and left out).

    For each period: `updated` (the subject stood before, the object is new), `new_entity` (the subject is new),
    `unchanged` (true since the first date, still true). Subjects whose article is held out of the training
    text are left out: nothing could teach them.
    """
    counts: Counter = Counter()
    rows: list[dict] = []
    by_subject: dict[int, list[dict]] = defaultdict(list)
    for fact in facts:
        by_subject[fact["subject_id"]].append(fact)
    for subject_id, timeline in by_subject.items():
        counts["subjects"] += 1
        if part_of(subject_id, holdout_share) == "held_out":
            counts["held_out_subjects"] += 1
            continue
        timeline.sort(key=lambda fact: fact["first_date"])
        for number, fact in enumerate(timeline):
            if fact["first_date"] == dates[0]:
                periods = [(date, "unchanged") for date in dates[1:] if date <= fact["last_date"]]
            else:
                periods = [(fact["first_date"], "updated" if number else "new_entity")]
            for period, kind in periods:
                counts[f"{kind}_probes"] += 1
                rows.append(
                    {
                        "id": f"world-{subject_id}-{fact['relation']}-{kind}-{period}",
                        "set": "world",
                        "kind": kind,
                        "period": period,
                        "relation": fact["relation"],
                        "subject": fact["subject"],
                        "text": fact["text"],
                        "span_start": fact["span_start"],
                        "span_end": fact["span_end"],
                        "answer_group": f"world-{subject_id}-{fact['relation']}-{period}",
                        "split": split_of(fact["subject"], settings),
                        "candidates": fact["candidates"],
                    }
                )
    return rows, counts
