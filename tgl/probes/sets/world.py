"""Make probes from the fact table of the synthetic world."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from tgl.core.tables.read import read_table
from tgl.probes.probe_set import Inputs, ProbeSet
from tgl.probes.rows import split_of
from tgl.probes.settings import ProbesConfig
from tgl.text.documents import part_of


def world_probes(
    facts: Iterable[dict], dates: list[str], settings: ProbesConfig, *, holdout_share: float
) -> tuple[list[dict], Counter]:
    """Make the probes of all periods.

    The kind is `updated` (the subject existed before and the object is new), `new_entity` (the subject is new) or
    `unchanged` (the fact is true since the first date). Subjects whose article is held out of the training text are
    discarded, because no training text states their facts.

    Args:
        facts: The rows of the table `facts`.
        dates: The dates of all snapshots.
        settings: The section `probes` of the configuration.
        holdout_share: The share of pages that no training text contains.

    Returns:
        The rows of the table `probes`, and the counts of used and discarded facts.
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
                        "old_answer": timeline[number - 1]["object"] if kind == "updated" else "",
                    }
                )
    return rows, counts


def _make(inputs: Inputs) -> tuple[list[dict], Counter]:
    (facts,) = inputs.files["world"]
    rows = read_table(facts, "facts").to_pylist()
    return world_probes(rows, inputs.dates, inputs.settings, holdout_share=inputs.holdout_share)


PROBE_SET = ProbeSet(_make, needs="--facts FILE with the table that `tgl world` writes")
