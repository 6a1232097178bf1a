"""Baselines that show old text again: fixed replay, Mix-Review, and the oracle that is trained on everything.

Old text is the base text and that of all earlier periods. Replay and Mix-Review take the same number of steps as
plain training, so that what is spent on old text is not spent on new text.
"""

from __future__ import annotations

import numpy as np

from tgl.config_baselines import MixReviewConfig, ReplayConfig
from tgl.train.baselines.plain import Period, Plain
from tgl.train.stream import MixedStream, Stream, TokenStream


class Replay(Plain):
    """A fixed number of old rows for each new one."""

    settings: ReplayConfig

    def stream(self, period: Period) -> Stream:
        """See `Plain`."""
        return MixedStream(period.new_stream(), period.old_stream(), lambda epoch: self.settings.ratio)


class MixReview(Plain):
    """Old text mixed in, less with each pass over the new text: old to new = ratio * decay^pass (He et al. 2021).

    Passes count from 0 and are those over the period's own text.
    """

    settings: MixReviewConfig

    def stream(self, period: Period) -> Stream:
        """See `Plain`."""
        return MixedStream(period.new_stream(), period.old_stream(), self.old_to_new)

    def old_to_new(self, epoch: int) -> float:
        """Return how many old rows there are for each new one in pass `epoch` (from 0)."""
        return self.settings.ratio * self.settings.decay**epoch


class Oracle(Plain):
    """What could be reached: the base model trained on old and new text together, as if all had come at once.

    It sees every text as often as plain training sees a period's, and so takes more steps.
    """

    def starts_from_base(self, number: int) -> bool:
        """See `Plain`."""
        return True

    def num_steps(self, period: Period) -> int:
        """See `Plain`."""
        return round(period.settings.steps * (len(period.old) + len(period.new)) / len(period.new))

    def stream(self, period: Period) -> Stream:
        """See `Plain`."""
        return TokenStream(np.concatenate([period.old, period.new]), period.end_token, period.seed)
