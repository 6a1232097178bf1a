"""Measure extraction and diff of the synthetic world at several sizes, and estimate a full Wikipedia.

    python -m benchmarks.scale REAL.xml.bz2 --output FOLDER [--sizes 1000 10000 100000]

For each size, the first date is extracted, then the second with the first as previous date, and then the two are
compared. Each step is a whole process with one parsing process. Writes scale.csv and scale.svg. REAL is a dump of real
articles, whose processor seconds for each compressed byte are measured. The estimate uses only these, not the synthetic
world.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import NullFormatter, ScalarFormatter

from benchmarks.figures import figure
from benchmarks.processes import Cost, cost
from tgl.core.tables.read import read_counts, read_table
from tgl.report.figures import STYLE, svg
from tgl.snapshots.catalogue import write_files

DATES = ("20200101", "20210101")
STAGES = ("extraction", "extraction of the next date", "diff")
DATE_GB = 20.0  # compressed size of one date of the English Wikipedia
CHANGED = 0.1  # share of the pages that change between dates
CORES = (2, 32)
_SHORT = (
    "<mediawiki><page><title>A</title><ns>0</ns><id>1</id><revision><id>1</id><text>A.</text></revision></page>"
    "</mediawiki>"
)


def extraction(files: Path, output: Path, *more: object) -> Cost:
    """Return the cost of extracting a table `files` with one parsing process."""
    return cost(sys.executable, "-m", "tgl", "pages", files, "--output", output, *more)


def measured(size: int, scratch: Path) -> Iterator[dict]:
    """Yield one row for each stage for a world of `size` pages."""
    world = scratch / str(size)
    cost(
        sys.executable,
        "-m",
        "tgl",
        "world",
        *DATES,
        "--output",
        world,
        "--config",
        json.dumps({"pages": size}),
    )
    first, second = (world / f"{date}.parquet" for date in DATES)
    before, after = (world / date / "files.parquet" for date in DATES)
    costs = (
        extraction(before, first),
        extraction(after, second, "--previous", first),
        cost(sys.executable, "-m", "tgl", "diff", first, second, "--output", world / "diff.parquet"),
    )
    num_pages = read_table(second, "pages", ["page_id"]).num_rows
    parsed = {STAGES[0]: read_counts(first)["kept_parsed"], STAGES[1]: read_counts(second)["kept_parsed"]}
    for stage, taken in zip(STAGES, costs, strict=True):
        yield {
            "size": size,
            "stage": stage,
            "pages": parsed[STAGES[0]] if stage == STAGES[0] else num_pages,
            "parsed": parsed.get(stage, 0),
            "seconds": round(taken.seconds, 2),
            "peak MiB": round(taken.memory, 1),
        }


def slope(rows: pd.DataFrame, column: str) -> float:
    """Return the exponent b of value = a * pages^b between the two largest sizes."""
    last = rows.sort_values("size").tail(2)
    return float(np.diff(np.log(last[column]))[0] / np.diff(np.log(last["pages"]))[0])


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw seconds and peak memory against pages."""
    drawing, axes = plt.subplots(1, 2, figsize=(9, 3.5))
    for stage, own in rows.groupby("stage", sort=False):
        axes[0].loglog(own["pages"], own["seconds"], marker="o", label=stage)
        axes[1].semilogx(own["pages"], own["peak MiB"], marker="o", label=stage)
    axes[0].set(xlabel="pages", ylabel="seconds")
    axes[0].set_ylim(1, 100)
    axes[0].yaxis.set_major_formatter(ScalarFormatter())
    axes[0].yaxis.set_minor_formatter(NullFormatter())
    axes[1].set(xlabel="pages", ylabel="peak memory (MiB)")
    axes[1].set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    drawing.tight_layout()
    path.write_text(svg(drawing))


def scan(dump: Path) -> Cost:
    """Return the cost of reading every page of a dump without further work."""
    code = (
        "import sys; from tgl.snapshots.dumps.reader import read_pages; [0 for _ in read_pages(sys.argv[1])]"
    )
    return cost(sys.executable, "-c", code, dump)


def estimate(real: Path, scratch: Path) -> None:
    """Print the processor seconds for real articles, and the estimated hours for a whole date.

    The seconds of a dump with one short page are subtracted, because start-up does not grow with the input.
    """
    short = scratch / "short.xml"
    short.write_text(_SHORT)
    seconds = []
    for dump in (real, short):
        files = scratch / f"{dump.name}.parquet"
        write_files([dump], files)
        seconds.append((extraction(files, scratch / "pages").processor_seconds, scan(dump).processor_seconds))
    parse, scanned = (of_real - of_short for of_real, of_short in zip(*seconds, strict=True))
    megabytes = os.path.getsize(real) / 1e6
    print(
        f"\n{real.name}, {megabytes:.2f} MB compressed: {parse:.2f} processor seconds to extract, {scanned:.2f} to scan"
    )
    for name, seconds in (("first date", parse), ("later date", scanned + CHANGED * (parse - scanned))):
        hours = seconds / megabytes * DATE_GB * 1e3 / 3600
        print(
            f"{name} of {DATE_GB:.0f} GB: {hours:.1f} processor hours, "
            + ", ".join(f"{hours / cores:.1f} h on {cores} cores" for cores in CORES)
        )


def main() -> None:
    """Measure, draw and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = pd.DataFrame(row for size in options.sizes for row in measured(size, Path(folder)))
        rows.to_csv(options.output / "scale.csv", index=False)
        with plt.rc_context(STYLE):
            draw(rows, options.output / "scale.svg")
        print(rows.to_string(index=False))
        estimate(options.real, Path(folder))
    figures = []
    for stage, own in rows.groupby("stage", sort=False):
        last = own.sort_values("size").iloc[-1]
        for column, unit in (("seconds", "s"), ("peak MiB", "MiB")):
            name = f"{stage}, {last['pages']} pages, {column}: exponent of pages"
            figures.append(
                figure(name, last[column], unit, "a tenth of the pages", slope(own, column), None, False)
            )
    print("\n".join(["", *figures]))


if __name__ == "__main__":
    main()
