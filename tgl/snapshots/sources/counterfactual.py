"""Real text of two dates, with changed facts inside the later text; one job writes both (`tgl.text.counterfactual`)."""

from tgl.snapshots.settings import CounterfactualConfig
from tgl.snapshots.source import Source

SOURCE = Source(CounterfactualConfig)
