"""Your own dated collections of documents; a rule of its own writes their text (`tgl.snapshots.documents`)."""

from tgl.snapshots.settings import DocumentsConfig
from tgl.snapshots.source import Source

SOURCE = Source(DocumentsConfig)
