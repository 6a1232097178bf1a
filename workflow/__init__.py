"""The workflow's own Python; tgl knows nothing of it."""
