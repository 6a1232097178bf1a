"""Fixed replay: a fixed number of old rows for each new row.

Old text is the base text and the text of all earlier periods. Training takes the same number of steps as plain
training, so it sees less new text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tgl.core.config_types import Number, Section
from tgl.train.baseline import Baseline, Feed

if TYPE_CHECKING:
    from tgl.train.run import Period

Ratio = Annotated[Number, Field(ge=0.001, le=1000)]


class ReplayConfig(Section):
    """Replay: old text at a fixed ratio."""

    ratio: Ratio = Field(1.0, description="Old rows for each new row, 0.001 to 1000.")


class Replay(Baseline):
    """New and old text, mixed at a fixed ratio."""

    Settings = ReplayConfig
    varied = "ratio"
    settings: ReplayConfig

    def stream(self, period: Period) -> Feed:
        """See `Baseline`."""
        from tgl.train.stream import MixedStream

        mixed = MixedStream(period.new_stream(), period.old_stream(), lambda epoch: self.settings.ratio)
        return Feed(mixed, period.settings.steps)


BASELINE = Replay
