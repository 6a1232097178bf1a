"""A good call of a command: where it finds its inputs, its arguments, and the check of what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.export.experiment import DATES
from tgl.core.tables.read import check_table, read_table

OLD, NEW = DATES


@dataclass
class Place:
    """Where a call finds its inputs and writes to.

    models, wiki: folders that all calls read, and none changes. profiled, reported: return the folder of a profile of
    the base model, and that of an experiment with a report; both take seconds to make.
    """

    models: Path
    wiki: Path
    profiled: Callable[[], Path]
    reported: Callable[[], Path]
    out: Path
    patch: pytest.MonkeyPatch
    at_end: ExitStack

    def config(self, **sections) -> Path:
        """Write a configuration file."""
        path = self.out.parent / "config.yaml"
        path.write_text(yaml.safe_dump(sections))
        return path


@dataclass
class Call:
    """One good call.

    given: values by option, and of arguments by their number, "0" the first. check: of what was written and printed.
    """

    check: Callable[[str], None]
    given: dict[str, object] = field(default_factory=dict)

    def arguments(self, **changes) -> list[str]:
        """Return the words of the command line; changes: other values, with _ for -."""
        given = self.given | {name.replace("_", "-"): value for name, value in changes.items()}
        options, positional = [], []
        for name, values in given.items():
            for value in values if isinstance(values, list) else [values]:
                if name.isdecimal():
                    positional.append(str(value))
                else:
                    options.append(f"--{name}={value}")
        return [*options, *positional]


class Calls(dict[str, Callable[[Place], Call]]):
    """The functions that make a good call, by command."""

    def of(self, name):
        """Register the function below as that of a command."""

        def register(function):
            self[name] = function
            return function

        return register


def written(path, name, rows=None):
    """Check that a table was written, and return its rows."""
    assert check_table(path, name) > 0
    found = read_table(path, name).to_pylist()
    assert rows is None or len(found) == rows
    return found


def wiki_results(place) -> Path:
    """Return the folder of the results of the experiment in `wiki`."""
    return place.wiki / "results" / "small"


def equal(found, expected):
    assert found == expected
