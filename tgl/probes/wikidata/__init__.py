"""Read facts and their dates from Wikidata."""
