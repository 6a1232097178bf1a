"""The profile a plan is made from, measured again on a model between two periods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.config import ProfileConfig
from tgl.errors import TglError
from tgl.evaluate.score import max_length
from tgl.profiling.capture import cover
from tgl.profiling.groups import make_groups
from tgl.profiling.norms import gradient_norms
from tgl.profiling.tabulate import denominator_group, profile_rows
from tgl.sublayers import sublayers


def retrace(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    probes: Sequence[dict],
    stream: np.ndarray,
    period: str,
    settings: ProfileConfig,
    salient: str,
    denominator: str,
    seed: int,
) -> list[dict]:
    """Return the rows of the table `profile` of the group `salient` over `denominator`, for `period`.

    Raises TglError when one of the two groups is missing.
    """
    units = sublayers(model)
    groups = make_groups(probes, stream, tokenizer, period, settings, max_length(model)).groups
    other = denominator_group(salient, denominator, groups) if salient in groups else None
    if other is None:
        raise TglError(f"profile of period {period}: no '{salient}' over '{denominator}' in {list(groups)}")
    coverage = cover(model, units)
    measured = {
        name: gradient_norms(model, units, groups[name].examples, coverage) for name in (salient, other)
    }
    rows = profile_rows("trained", measured, units, settings.bootstrap, seed)
    return [row for row in rows if (row["group"], row["denominator"]) == (salient, denominator)]
