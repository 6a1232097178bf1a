"""The oracle: the base model trained on all old and new text together.

It is an upper bound for comparison. It sees every text as often as plain training sees a period's text, so it needs
more steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgl.train.baseline import Baseline, Feed, Start

if TYPE_CHECKING:
    from tgl.train.run import Period


class Oracle(Baseline):
    """All text so far in one shuffled stream, from the base model."""

    start = Start.BASE

    def stream(self, period: Period) -> Feed:
        """See `Baseline`."""
        tokens = np.concatenate([period.old, period.new])
        num_steps = round(period.settings.steps * len(tokens) / len(period.new))
        return Feed(period.stream_of(tokens), num_steps)


BASELINE = Oracle
