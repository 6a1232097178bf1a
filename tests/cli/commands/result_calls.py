"""Good calls of the commands for results."""

from __future__ import annotations

import json
import shutil

from tests.cli.commands.good_call import Call, Calls, equal, wiki_results
from tests.report.result_folder import configuration, write_results

CALLS = Calls()


@CALLS.of("report")
def _report(place):
    results = write_results(place.out.parent / "results" / "small", configuration())
    settings = configuration().model_dump(mode="json")

    def check(printed):
        for name in ("index.html", "examples.html", "measures.csv", "gate.json"):
            assert (place.out / name).stat().st_size > 0
        assert "small" in (place.out / "index.html").read_text()

    return Call(check, {"0": results, "output": place.out, "config": place.config(**settings)})


@CALLS.of("gate")
def _gate(place):
    file = place.out.parent / "gate.json"
    file.write_text(json.dumps([{"name": "facts", "value": 0.9, "limit": 0.5, "met": True}]))
    return Call(lambda printed: equal(printed.splitlines()[0], "met     facts: 0.9 (limit 0.5)"), {"0": file})


@CALLS.of("across")
def _across(place):
    folders = [place.out.parent / name for name in ("small", "large")]
    for folder in folders:
        shutil.copytree(place.reported(), folder)

    def check(printed):
        assert printed == f"comparison: {place.out / 'index.html'}\n"
        assert "small · large" in (place.out / "index.html").read_text()

    return Call(check, {"0": folders[0], "1": folders[1], "output": place.out})


@CALLS.of("verify")
def _verify(place):
    def check(printed):
        assert printed.splitlines()[-1].startswith("verified ")
        assert "errors: 0" in printed

    return Call(check, {"0": wiki_results(place)})


@CALLS.of("explain")
def _explain(place):
    file = wiki_results(place) / "probes" / "probes.parquet"
    return Call(lambda printed: equal(printed.splitlines()[0], "probes/probes.parquet"), {"0": file})


@CALLS.of("export-crate")
def _export_crate(place):
    results = wiki_results(place)

    def check(printed):
        assert printed == f"wrote {results / 'ro-crate-metadata.json'}\n"
        assert json.loads((results / "ro-crate-metadata.json").read_text())["@graph"]

    return Call(check, {"0": results})


@CALLS.of("export")
def _export(place):
    def check(printed):
        assert sorted(path.name for path in place.out.iterdir()) == ["diff", "probes"]
        assert (place.out / "probes" / "README.md").read_text().startswith("---\n")

    return Call(check, {"0": wiki_results(place), "hub-layout": place.out, "table": ["probes", "diff"]})


@CALLS.of("export-lm-eval")
def _export_lm_eval(place):
    def check(printed):
        lines = printed.splitlines()
        names = [line.split(":")[0] for line in lines]
        assert lines[0].startswith("mine_world_updated: ")
        files = {"tgl_functions.py", "mine.yaml", *(f"{n}.{end}" for n in names for end in ("yaml", "jsonl"))}
        assert {path.name for path in place.out.iterdir()} == files

    return Call(check, {"0": place.models / "probes.parquet", "output": place.out, "name": "mine"})


@CALLS.of("push")
def _push(place):
    def check(printed):
        assert printed.splitlines()[-1].startswith("The configurations of this repository")
        assert "dry run: nothing is uploaded; the same command with --go uploads it\n" in printed
        assert "type: dataset, public\n" in printed
        assert " bytes  probes/README.md\n" in printed

    return Call(check, {"0": wiki_results(place), "to": "me/mine", "what": "dataset"})
