"""Good calls of the commands for projects."""

from __future__ import annotations

import yaml

from tests.cli.commands.good_call import Call, Calls, equal

CALLS = Calls()


@CALLS.of("init")
def _init(place):
    def check(printed):
        assert yaml.safe_load((place.out / "config.yaml").read_text())["experiment"] == "out"
        assert "tgl run config.yaml" in printed

    return Call(check, {"0": place.out})


@CALLS.of("check")
def _check(place):
    file = place.config(experiment="small")
    return Call(lambda printed: equal(printed, f"{file}: valid\n"), {"0": file})


@CALLS.of("run")
def _run(place):
    """Only record that Snakemake is called; tests/cli/projects tests the rest."""
    file = place.config(experiment="small")
    started = []

    class Snakemake:
        def __init__(self, command, **options):
            started.append(command)

        def wait(self):
            return 0

    place.patch.setattr("tgl.cli.workflow.subprocess.Popen", Snakemake)

    def check(printed):
        (command,) = started
        assert command[1:4] == ["-m", "snakemake", "--snakefile"]
        assert command[-4:] == ["--configfile", str(file), "--cores", "2"]

    return Call(check, {"0": file, "cores": 2})
