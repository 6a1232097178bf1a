"""From wikitext to clean text."""
