"""The names that configuration, tables, plans and figures share. Each list is defined only here.

They are plain strings because tables and JSON files hold strings; `typing.Literal` accepts the tuples.
"""

from __future__ import annotations

# Kinds of probes in a profile: new statements of the text (updated, new_entity) and earlier ones (unchanged).
UPDATED, NEW_ENTITY, UNCHANGED = "updated", "new_entity", "unchanged"
SALIENT_KINDS = (UPDATED, NEW_ENTITY)
PROFILED_KINDS = (*SALIENT_KINDS, UNCHANGED)
# TempLAMA has one more kind: a query that was not asked before. It is scored but not profiled.
NEW = "new"
PROBE_KINDS = (*PROFILED_KINDS, NEW)

# Denominators of a relative gradient norm.
WINDOW, MATCHED_SPAN = "window", "matched_span"
DENOMINATORS = (WINDOW, MATCHED_SPAN, UNCHANGED)

# Controls that pair with the probes of a salient kind; the last three are spans of plain text.
SHUFFLED, FREQUENCY_MATCHED, CAPITALISED = "shuffled", "frequency_matched", "capitalised"
PLAIN_CONTROLS = (MATCHED_SPAN, FREQUENCY_MATCHED, CAPITALISED)
CONTROLS = (SHUFFLED, *PLAIN_CONTROLS)

# Units of a model that no plan ranks.
EMBEDDING, ADAPTER = "embedding", "adapter"
UNRANKED = (EMBEDDING, ADAPTER)

# Parts of a period's text.
TRAIN, HELD_OUT = "train", "held_out"
TEXT_PARTS = (TRAIN, HELD_OUT)

# The tables of one run of continual pretraining.
RUN_TABLES = ("scores", "lm_loss", "generations", "steps", "rates", "drift")
# Further tables of a run that is also scored between its first and last step (`train.score_at`).
STEP_TABLES = ("step_scores", "step_losses")

# Splits of the probes.
VALIDATION, TEST = "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


def kind_of(group: str) -> str:
    """Return the kind of probe of a group, or of the group that it is a control for; '' for windows."""
    name = group.rpartition(".")[2]
    return name if name in PROFILED_KINDS else ""
