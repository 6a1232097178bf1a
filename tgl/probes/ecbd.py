"""Probes from ECBD files, in both published layouts: spans of sentences about new entities."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from tgl.config import ProbesConfig
from tgl.errors import TglError
from tgl.probes.rows import read_records, split_of

MASK = "<extra_id_0>"
_ANSWER = re.compile(r"<extra_id_0>\s*(.*?)\s*<extra_id_1>", re.DOTALL)


def ecbd_probes(
    paths: Iterable[str | Path], period: str, base_page_ids: Collection[int], settings: ProbesConfig
) -> tuple[list[dict], Counter]:
    """Return (rows of `probes` of kind `new_entity`, counts).

    An entity whose page stands in the base text is left out: it is new by date only. Each sentence is counted
    once: used, or under the reason it is left out.
    """
    counts: Counter = Counter()
    rows: list[dict] = []
    seen: set[str] = set()
    for path in paths:
        for number, record in read_records(path):
            for identity, subject, sentence, answer in _sentences(path, number, record):
                counts["sentences"] += 1
                page = re.search(r"_(\d+)_\d+_\d+$", record["ex_id"])
                reason = None
                if page and int(page[1]) in base_page_ids:
                    reason = "page_in_base_text"
                elif sentence.count(MASK) != 1 or not (match := _ANSWER.fullmatch(answer.strip())):
                    reason = "no_single_mask"
                elif not match[1]:
                    reason = "empty_span"
                elif not sentence.partition(MASK)[0].strip():
                    reason = "no_left_context"
                elif identity in seen:
                    reason = "seen_before"
                if reason:
                    counts[reason] += 1
                    continue
                counts["used"] += 1
                seen.add(identity)
                rows.append(_row(identity, subject, sentence, match[1], period, settings))
    return rows, counts


def _sentences(path: str | Path, number: int, record: dict) -> Iterator[tuple[str, str, str, str]]:
    """Yield (id, entity, masked sentence, answer) of a record of either layout."""
    try:
        if "masked_sentence" in record:  # the original layout
            yield (
                record["ex_id"],
                record["entity_span_str"],
                record["masked_sentence"],
                record["answer_str"],
            )
        else:  # the layout of the knowledge-propagation copies
            for name, probe in record["probe_sentences"].items():
                identity = f"{record['ex_id']}-{name}"
                yield identity, record["ent_str"], probe["probe_sentence"], probe["label"]
    except (KeyError, AttributeError, TypeError) as error:
        raise TglError(
            f"{path}, record {number}: masked_sentence, answer_str, entity_span_str or probe_sentences, ent_str "
            f"expected beside ex_id; found the keys {sorted(record)} ({error!r})"
        ) from None


def _row(
    identity: str, subject: str, sentence: str, answer: str, period: str, settings: ProbesConfig
) -> dict:
    left, _, right = sentence.partition(MASK)
    # Some copies lost the space before the mask; a span that begins with punctuation has none.
    if left[-1].isalnum() and answer[0].isalnum():
        left += " "
    return {
        "id": f"ecbd-{identity}",
        "set": "ecbd",
        "kind": "new_entity",
        "period": period,
        "relation": "",
        "subject": subject,
        "text": left + answer + right,
        "span_start": len(left),
        "span_end": len(left) + len(answer),
        "answer_group": f"ecbd-{identity}",
        "split": split_of(subject, settings),
        "candidates": [],
    }
