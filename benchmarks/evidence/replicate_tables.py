"""The command line of scripts that read tables of `tgl replicates`."""

from __future__ import annotations

import argparse

import pandas as pd


def tables_and_level(description: str, *names: str) -> tuple[list[pd.DataFrame], float]:
    """Return the tables START-NAME.csv and the level that the command line names.

    Args:
        description: The docstring of the script, for --help.
        names: Names of tables, such as curves.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", metavar="START", help="beginning of the names of the tables")
    parser.add_argument("--level", type=float, default=0.7)
    options = parser.parse_args()
    return [pd.read_csv(f"{options.tables}-{name}.csv") for name in names], options.level
