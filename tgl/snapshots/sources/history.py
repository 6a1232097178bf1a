"""Make the dump of each date from full histories below `data_root`."""

from tgl.snapshots.settings import HistoryConfig
from tgl.snapshots.source import Source

SOURCE = Source(HistoryConfig)
