"""Paths in a configuration file start from its data_root."""

from tests.cli.commands.calls import CALLS
from tests.cli.running import passes, refused

OPTIONS = ("facts", "wordings", "old-text", "new-text")


def test_text_and_facts_of_a_configuration_file_start_from_its_data_root(place):
    good = CALLS["counterfactual"](place)
    files = {name.replace("-", "_"): str(good.given.pop(name).name) for name in OPTIONS}
    folder = place.out.parent
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    place.patch.chdir(elsewhere)
    sections = {"snapshots": {"counterfactual": files}}
    good.given["config"] = place.config(data_root=str(folder), **sections)
    good.check(passes("counterfactual", *good.arguments()))
    error = refused("counterfactual", *good.arguments(config=place.config(**sections)))
    assert files["facts"] in error


def test_files_of_probe_sets_in_a_configuration_file_start_from_its_data_root(place, tmp_path):
    good = CALLS["probes"](place)
    good.given.pop("set")
    (tmp_path / "data").mkdir()
    probes = {"sets": ["world", "ecbd"], "ecbd": {"files": ["none.json"], "period": "20200101"}}
    good.given["config"] = place.config(data_root=str(tmp_path / "data"), probes=probes)
    assert str(tmp_path / "data" / "none.json") in refused("probes", *good.arguments())


def test_a_path_in_an_option_starts_from_the_working_directory(place):
    good = CALLS["counterfactual"](place)
    folder = place.out.parent
    names = {name: good.given[name].name for name in OPTIONS}
    place.patch.chdir(folder)
    (folder / "data").mkdir()
    good.given["config"] = place.config(data_root=str(folder / "data"))
    good.check(passes("counterfactual", *good.arguments(**names)))


def test_a_setting_of_another_command_is_refused_also_where_the_data_root_is_read(place):
    good = CALLS["documents"](place)
    error = refused("documents", *good.arguments(set="train.steps=6"))
    assert "--set train.steps: this command has no such setting" in error
