"""Generate the synthetic world; one job writes all dates."""

from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.source import Source

SOURCE = Source(WorldConfig)
