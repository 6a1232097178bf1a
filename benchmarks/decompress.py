"""Compare the reading of a large .bz2 dump of one stream, by two threads, with Python's bz2.

    python -m benchmarks.decompress DUMP.xml.bz2

The pages of the dump are repeated twenty times and compressed as one stream. Both ways read every revision.
"""

from __future__ import annotations

import argparse
import bz2
import tempfile
import time
from pathlib import Path

from benchmarks.extract import repeat
from benchmarks.figures import figure, over
from benchmarks.processes import in_turns, medians
from tgl.snapshots.dumps.reader import read_histories

GOAL = 1.5


def seconds(path: Path, threads: int) -> float:
    """Return the wall seconds in which every revision is read."""
    start = time.perf_counter()
    for revisions in read_histories(path, threads=threads):
        for _ in revisions:
            pass
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dump")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plain, path = Path(folder, "dump.xml"), Path(folder, "dump.xml.bz2")
        repeat(options.dump, 20, plain)
        path.write_bytes(bz2.compress(plain.read_bytes()))
        ways = {"two threads": lambda: seconds(path, 2), "bz2": lambda: seconds(path, 1)}
        median = medians(in_turns(ways, options.rounds))
        megabytes = plain.stat().st_size / 1e6
    own, other = median["two threads"], median["bz2"]
    name = "reading every revision of a .bz2 dump of one stream, two threads"
    print(figure(name, over(megabytes, own), "MB/s", "bz2", over(other, own), GOAL, True))


if __name__ == "__main__":
    main()
