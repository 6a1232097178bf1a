"""The committed tables of the default experiment, and the processor they were made on.

`python -m tests.support.default_tables` writes them from results/default.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.support.paths import REPOSITORY

RESULTS = REPOSITORY / "results/default/report"
COMMITTED = REPOSITORY / "docs/evidence/default"
TABLES = ("summary.csv", "equal_uptake.csv", "power.csv", "ratios.csv", "drift.csv", "gate.json")
# Extensions of the instruction set that change the order of sums.
_EXTENSIONS = ("avx2", "avx512f", "avx512_bf16", "amx_tile")


def processor() -> str:
    """Return the name of this processor and the extensions that it has."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    found = re.search(r"^flags\s*: (.*)$", text, re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    return " ".join([name[1] if name else "unknown", *(flag for flag in _EXTENSIONS if flag in flags)]) + "\n"


if __name__ == "__main__":
    for table in TABLES:
        shutil.copy(RESULTS / table, COMMITTED / table)
    (COMMITTED / "processor.txt").write_text(processor(), encoding="utf-8")
