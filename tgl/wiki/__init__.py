"""Snapshots of a wiki: where they come from, how they are read, and the synthetic one."""
