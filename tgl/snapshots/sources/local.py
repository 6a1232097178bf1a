"""Use dump files below `data_root`."""

from tgl.snapshots.settings import LocalConfig
from tgl.snapshots.source import Source

SOURCE = Source(LocalConfig)
