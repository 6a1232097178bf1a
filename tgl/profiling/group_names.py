"""Names of the groups of examples, for stages without transformers too."""

KINDS = ("updated", "new_entity", "unchanged")
TRACED = ("updated", "new_entity")
CONTROLS = ("shuffled", "matched_span", "frequency_matched", "capitalised")


def kind_of(group: str) -> str:
    """Return the kind of knowledge a group is, or is a control of ('' for windows)."""
    name = group.rpartition(".")[2]
    return name if name in KINDS else ""
