"""Get snapshots of a text collection from their sources, and extract their pages as clean text."""
