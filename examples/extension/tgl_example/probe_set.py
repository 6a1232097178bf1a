"""Probes from a file of JSON lines with the keys text, span, kind, period and subject."""

from collections import Counter

from tgl.core.config_types import FilePath, Section
from tgl.probes.given import read_probes
from tgl.probes.probe_set import Inputs, ProbeSet
from tgl.probes.rows import split_of


class LinesConfig(Section):
    """The file; a relative path starts from `data_root`."""

    file: FilePath


def make(inputs: Inputs) -> tuple[list[dict], Counter]:
    """Return the rows of the table `probes`, with their counts by kind."""
    rows = read_probes(inputs.own.file)  # checks keys and types, and finds each span in its text
    for row in rows:
        row["set"], row["id"] = "lines", f"lines-{row['id']}"
        row["split"] = split_of(row["subject"], inputs.settings)
    return rows, Counter(row["kind"] for row in rows)


PROBE_SET = ProbeSet(make, LinesConfig, files=("file",))
