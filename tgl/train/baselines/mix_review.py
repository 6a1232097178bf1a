"""Mix-Review (He et al. 2021): old text is mixed in, less of it with each pass over the new text.

In pass e (from 0) over the period's text, there are ratio * decay^e old rows for each new row. The number of steps and
the old text are those of `replay`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tgl.core.config_types import Number, Section
from tgl.train.baseline import Baseline, Feed
from tgl.train.baselines.replay import Ratio

if TYPE_CHECKING:
    from tgl.train.run import Period


class MixReviewConfig(Section):
    """Mix-Review: old text at a ratio that falls with each pass over the new text."""

    ratio: Ratio = Field(
        4.0,
        description="Old rows for each new row in the first pass over the new text, 0.001 to 1000.",
    )
    decay: Annotated[Number, Field(ge=1e-6, le=1)] = Field(
        0.7,
        description="Factor on the ratio for each further pass over the new text, 0.000001 to 1.",
    )


class MixReview(Baseline):
    """New and old text, mixed at a ratio that decays."""

    Settings = MixReviewConfig
    varied = "ratio"
    settings: MixReviewConfig

    def stream(self, period: Period) -> Feed:
        """See `Baseline`."""
        from tgl.train.stream import MixedStream

        mixed = MixedStream(period.new_stream(), period.old_stream(), self.old_to_new)
        return Feed(mixed, period.settings.steps)

    def old_to_new(self, epoch: int) -> float:
        """Return the number of old rows for each new row in pass `epoch` (from 0)."""
        return self.settings.ratio * self.settings.decay**epoch


BASELINE = MixReview
