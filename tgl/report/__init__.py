"""Build the report of an experiment: HTML pages, figures, CSV tables and gates."""
