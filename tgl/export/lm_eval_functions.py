"""Functions that the exported tasks of the lm-evaluation-harness call. `tgl export-lm-eval` copies this file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def load(data_file: str, **_: Any) -> dict[str, Any]:
    """Return the probes of a task.

    The harness passes its metadata as further arguments, which are ignored.

    Args:
        data_file: Name of the JSON-lines file. It lies in the folder of this module, so that the folder can be moved.
    """
    from datasets import Dataset

    lines = Path(__file__).with_name(data_file).read_text(encoding="utf-8").split("\n")
    # The JSON reader of `datasets` takes some texts for dates, this one keeps them.
    return {"test": Dataset.from_list([json.loads(line) for line in lines if line])}


def answer_among_choices(doc: Mapping, results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Return the measures of a probe with candidates.

    Args:
        doc: A line of the data. The answer is the last choice, so that a tie counts against it.
        results: The log-likelihood of each choice, and whether greedy decoding gives it.
    """
    own, is_greedy = results[doc["answer"]]
    rank = 1 + sum(other >= own for number, (other, _) in enumerate(results) if number != doc["answer"])
    return {"acc": float(rank == 1), "log_likelihood": own, "exact_match": float(is_greedy)}


def answer_alone(doc: Mapping, results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Return the measures of a probe without candidates; `results` has one log-likelihood."""
    own, is_greedy = results[0]
    return {"log_likelihood": own, "exact_match": float(is_greedy)}
