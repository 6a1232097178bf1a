"""Plain continued pretraining on only the new text."""

from __future__ import annotations

from tgl.train.baseline import Baseline

BASELINE = Baseline
