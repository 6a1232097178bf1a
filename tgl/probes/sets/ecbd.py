"""Make probes from ECBD files in both published layouts: spans of sentences about new entities."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.tables.read import read_tables
from tgl.core.vocabulary import HELD_OUT
from tgl.probes.probe_set import Inputs, ProbeSet
from tgl.probes.rows import read_records, split_of
from tgl.probes.settings import EcbdConfig, ProbesConfig
from tgl.text.documents import part_of

MASK = "<extra_id_0>"
_END = "<extra_id_1>"


def ecbd_probes(
    paths: Iterable[str | Path],
    period: str,
    base_page_ids: Collection[int],
    *,
    settings: ProbesConfig,
    holdout_share: float = 0.0,
) -> tuple[list[dict], Counter]:
    """Make probes of the kind `new_entity`.

    An entity whose page is in the base text is discarded, because only its date is new, and one whose page is held out
    of the training text, because no training text states it. Each sentence is counted once, as used or under the reason
    for which it is discarded.

    Args:
        paths: The ECBD files.
        period: The period of the probes.
        base_page_ids: The ids of the pages of the base text.
        settings: The section `probes` of the configuration.
        holdout_share: The share of documents that no training text contains.

    Returns:
        The rows of the table `probes`, and the counts. `spaces_added` is the number of used sentences in which a space
        next to the span was missing.

    Raises:
        TglError: A file or record cannot be read.
    """
    counts: Counter = Counter()
    rows: list[dict] = []
    seen: set[str] = set()
    for path in paths:
        for number, record in read_records(path):
            for identity, subject, sentence, answer in _sentences(path, number, record):
                counts["sentences"] += 1
                page = re.search(r"_(\d{1,18})_\d+_\d+$", record["ex_id"])
                span = _span(answer)
                reason = None
                if page and int(page[1]) in base_page_ids:
                    reason = "page_in_base_text"
                elif page and part_of(int(page[1]), holdout_share) == HELD_OUT:
                    reason = "held_out_page"
                elif sentence.count(MASK) != 1 or span is None:
                    reason = "no_single_mask"
                elif not span:
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
                rows.append(_row(identity, subject, sentence, answer=span, period=period, settings=settings))
                counts["spaces_added"] += rows[-1]["text"] != sentence.replace(MASK, span)
    return rows, counts


def _sentences(path: str | Path, number: int, record: dict) -> Iterator[tuple[str, str, str, str]]:
    """Yield (id, entity, masked sentence, answer) of a record of either layout."""
    try:
        if "masked_sentence" in record:  # the original layout
            found = [
                (
                    record["ex_id"],
                    record["entity_span_str"],
                    record["masked_sentence"],
                    record["answer_str"],
                )
            ]
        else:  # the layout of the knowledge-propagation copies
            found = [
                (
                    f"{record['ex_id']}-{name}",
                    record["ent_str"],
                    probe["probe_sentence"],
                    probe["label"],
                )
                for name, probe in record["probe_sentences"].items()
            ]
        if not all(
            isinstance(text, str) for text in (record["ex_id"], *(t for texts in found for t in texts))
        ):
            raise TypeError("each value must be a string")
    except (KeyError, AttributeError, TypeError) as error:
        raise TglError(
            f"{path}, record {number}: ex_id and either masked_sentence, answer_str, entity_span_str or "
            f"probe_sentences, ent_str must be given; found the keys {sorted(record)} ({error!r})"
        ) from None
    yield from found


def _span(answer: str) -> str | None:
    """Return the text between the two marks of an answer, or None if they do not enclose it."""
    answer = answer.strip()
    if not (answer.startswith(MASK) and answer.endswith(_END)):
        return None
    return answer.removeprefix(MASK).removesuffix(_END).strip()


def _row(
    identity: str, subject: str, sentence: str, *, answer: str, period: str, settings: ProbesConfig
) -> dict:
    left, _, right = sentence.partition(MASK)
    # Some copies lost the space next to the mask.
    if _is_apart(left, answer):
        left += " "
    if _is_apart(answer, right):
        right = " " + right
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
        "old_answer": "",
    }


def _is_apart(left: str, right: str) -> bool:
    """Return whether two parts of a sentence certainly need a space between them.

    Parentheses, full stops and colons are left as they are, because ASP.NET, f(x) and 12:30 need none.
    """
    if not left or not right:
        return False
    last, first = left[-1], right[0]
    if last == ",":  # no space in 1,000
        return first.isalpha() or (first.isdigit() and not left[-2:-1].isdigit())
    if last.islower() and first in "$€£¥":
        return True
    return (last.isalnum() or last in ";!?”%") and (first.isalnum() or first in "“‘")


def _make(inputs: Inputs) -> tuple[list[dict], Counter]:
    ids = read_tables(inputs.base_pages, "pages", ["page_id"])
    known = frozenset(ids["page_id"].to_pylist())
    return ecbd_probes(
        inputs.own.files,
        inputs.own.period,
        known,
        settings=inputs.settings,
        holdout_share=inputs.holdout_share,
    )


PROBE_SET = ProbeSet(_make, EcbdConfig, files=("files",))
