"""Good calls of the commands about facts."""

from __future__ import annotations

import json

from tests.cli.commands.good_call import Call, Calls, written
from tests.report.test_replicates import config_of, write_experiment
from tests.train.continual_runs import PERIODS
from tgl.core.tables.read import read_counts

CALLS = Calls()
DATES = ["20150101", "20210101"]
TEXT = "This is a sentence of a page. Here is another one. " * 10


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def facts(folder, **more):
    """Write facts of two relations and their wordings, and return both files."""
    rows = [
        {"relation": relation, "subject": f"{relation} S{number}", "answer": f"A{number % 5}"} | more
        for relation in ("home", "work")
        for number in range(20)
    ]
    wordings = {name: {"train": ["{S} has {O}."], "test": ["Of {S} is {O}."]} for name in ("home", "work")}
    file = folder / "wordings.json"
    file.write_text(json.dumps(wordings))
    return lines(folder / "facts.jsonl", rows), file


@CALLS.of("known-facts")
def _known_facts(place):
    given, wordings = facts(place.out.parent)

    def check(printed):
        found = [json.loads(line) for line in place.out.read_text().splitlines()]
        assert len(found) == 40
        assert all(len(row["ranks"]) == 1 for row in found)

    arguments = {"facts": given, "wordings": wordings, "output": place.out, "candidates": 3}
    return Call(check, {"0": place.models / "base", **arguments})


@CALLS.of("counterfactual")
def _counterfactual(place):
    folder = place.out.parent
    given, wordings = facts(folder, ranks=[1])
    texts = {
        name: lines(
            folder / f"{name}.jsonl", [{"id": first + n, "title": f"T{n}", "text": TEXT} for n in range(60)]
        )
        for name, first in (("old", 0), ("new", 100))
    }

    def check(printed):
        for date in DATES:
            written(place.out / date / "pages/0.parquet", "pages")
            written(place.out / date / "files.parquet", "files", 1)
        assert read_counts(place.out / "probes.parquet")["known"] == 40

    return Call(check, {
        "0": DATES[0], "1": DATES[1], "output": place.out, "facts": given, "wordings": wordings,
        "old-text": texts["old"], "new-text": texts["new"], "updated": 5, "unchanged": 5, "far": 5,
        "new-entities": 2, "old-characters": 10_000, "new-characters": 12_000, "holdout-share": 0.2,
    })  # fmt: skip


@CALLS.of("interference")
def _interference(place):
    def check(printed):
        written(place.out, "interference", 4)

    folder = place.models
    return Call(check, {
        "0": folder / "base", "probes": folder / "probes.parquet", "tokens": folder / "base.parquet",
        "period": PERIODS[0], "output": place.out, "examples": 3, "window-tokens": 16,
    })  # fmt: skip


@CALLS.of("replicates")
def _replicates(place):
    folders = [write_experiment(place.out.parent / name, saved) for name, saved in (("a", 0.1), ("b", 0.12))]
    settings = config_of().model_dump(mode="json")

    def check(printed):
        assert "last compared with full: forgets " in printed
        for name in ("steps", "curves", "equal_uptake"):
            assert len((place.out / f"{name}.csv").read_text().splitlines()) > 3

    return Call(
        check, {"0": folders[0], "1": folders[1], "output": place.out, "config": place.config(**settings)}
    )


@CALLS.of("advise")
def _advise(place):
    folders = [write_experiment(place.out.parent / name, saved) for name, saved in (("a", 0.1), ("b", 0.12))]
    settings = config_of().model_dump(mode="json")

    def check(printed):
        assert "least forgetting on validation probes: last" in printed or "recommended: last" in printed
        assert "budget: found no run times" in printed
        assert json.loads(place.out.read_text())["method"] == "last"

    return Call(
        check,
        {
            "0": folders[0], "1": folders[1], "output": place.out, "config": place.config(**settings),
            "budget": 1.0,
        },
    )  # fmt: skip
