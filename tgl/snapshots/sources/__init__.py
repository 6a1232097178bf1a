"""Provide the sources of snapshots, one module for each (see `tgl.snapshots.source`)."""
