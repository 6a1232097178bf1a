"""Sections of the configuration that hold the settings of registered entries, also of those of other packages."""

import json
import sys
from typing import Annotated

import pytest

from tests.support.packages import install
from tgl.config.root import BaselinesConfig
from tgl.core import registry as registry_module
from tgl.core.config_check import load_section, validated
from tgl.core.config_types import Section
from tgl.core.errors import TglError
from tgl.core.registered import name_in, sections_of, settings_of, with_others
from tgl.core.registry import Registry
from tgl.probes.probe_set import ProbeSet
from tgl.train.baseline import BASELINES, Baseline

# The shipped sets of probes and baselines, as the entries of groups that no package knows.
THINGS = Registry("thing", "things", "tgl.probes.sets", "PROBE_SET", ProbeSet)
WAYS = Registry("way", "ways", "tgl.train.baselines", "BASELINE", Baseline, classes=True)
OWN = """
from collections.abc import Iterator

from tgl.core.config_types import FilePath, Flag, Positive, Section
from tgl.probes.probe_set import ProbeSet


class Inner(Section):
    wide: Flag = False


class Sized(Section):
    size: Positive = 3
    most: Positive = 5
    inner: Inner = Inner()

    def problems(self) -> Iterator[str]:
        if self.size > self.most:
            yield f"size: {self.size} is more than most {self.most}"


class Filed(Section):
    file: FilePath
    size: Positive = 3


class Never(Section):
    size: Positive = 3

    def problems(self) -> Iterator[str]:
        yield "size: is never right"


SIZED = ProbeSet(lambda inputs: None, Sized)
FILED = ProbeSet(lambda inputs: None, Filed)
NEVER = ProbeSet(lambda inputs: None, Never)
PLAIN = ProbeSet(lambda inputs: None)
"""
BROKEN = "import a_package_that_nobody_has\n"


class Chosen(Section):
    """A section with a key that names an entry."""

    thing: Annotated[str, name_in(THINGS)] = "world"


class Things(Section):
    """A section with a key of its own."""

    seed: int = 0


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a package with entries and returns `Things` with their keys."""
    packages = []

    def add(text=OWN, package="own_package", **entries):
        packages.append(package)
        points = {name: f"{package}:{attribute}" for name, attribute in entries.items()}
        monkeypatch.syspath_prepend(
            install(tmp_path / package, package, {"tgl.things": points}, **{package: text})
        )
        registry_module._points.cache_clear()
        return with_others(Things, THINGS)

    yield add
    registry_module._points.cache_clear()
    for package in packages:
        sys.modules.pop(package, None)


def problems(section, raw):
    return validated(section, raw)[1]


def test_without_other_packages_the_section_stays_as_it_is():
    assert with_others(Things, THINGS) is Things


def test_each_shipped_entry_with_settings_has_a_key_with_its_defaults():
    section = sections_of(WAYS, "Ways", "One section a way.", module=__name__)
    assert set(section.model_fields) == {name for name in WAYS if WAYS.get(name).Settings is not None}
    assert section().ewc == BASELINES.get("ewc").Settings()
    assert section().model_dump() == BaselinesConfig().model_dump()
    assert "plain" not in section.model_fields  # has no settings


def test_the_settings_of_another_package_s_entry_are_read_by_its_own_class(installed):
    section = installed(mine="SIZED")
    found, faults = validated(section, {"seed": 4, "mine": {"size": 4, "inner": {"wide": True}}})
    assert faults == []
    assert (found.seed, found.mine.size, found.mine.most, found.mine.inner.wide) == (4, 4, 5, True)
    assert type(found.mine) is sys.modules["own_package"].Sized
    assert settings_of(THINGS, found, "mine") is found.mine


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sise": 4}, ["mine.sise: unknown key (did you mean 'size'?), found 4"]),
        ({"q": None}, ["mine.q: unknown key; known keys: size, most, inner, found None"]),
        ({"size": "four"}, ["mine.size: Input should be a valid integer, found 'four'"]),
        ({"size": 0}, ["mine.size: Input should be greater than or equal to 1, found 0"]),
        ({"inner": {"wide": 3}}, ["mine.inner.wide: Input should be a valid boolean, found 3"]),
        (
            {"sise": 4, "most": "x"},
            [
                "mine.sise: unknown key (did you mean 'size'?), found 4",
                "mine.most: Input should be a valid integer, found 'x'",
            ],
        ),
        ({"size": 9}, ["mine: size: 9 is more than most 5, found {'size': 9}"]),
        (3, ["mine: Input should be a valid dictionary or instance of Sized, found 3"]),
    ],
)
def test_wrong_settings_of_another_package_s_entry_are_refused_with_their_key(installed, given, expected):
    assert problems(installed(mine="SIZED"), {"mine": given}) == expected


def test_settings_of_an_entry_without_settings_are_refused_with_its_key(installed):
    (line,) = problems(installed(mine="PLAIN"), {"mine": {"size": 3}})
    assert line.startswith("mine: the thing 'mine' has no settings; remove this key")


@pytest.mark.parametrize("given", [{}, {"mine": None}])
def test_where_the_key_is_missing_the_defaults_are_used(installed, given):
    section = installed(mine="SIZED", bare="PLAIN")
    found, faults = validated(section, given)
    assert faults == []
    assert found.mine is None
    assert settings_of(THINGS, found, "mine").model_dump() == {"size": 3, "most": 5, "inner": {"wide": False}}
    assert settings_of(THINGS, found, "bare") is None


def test_where_the_key_is_missing_and_has_no_default_the_error_names_it(installed):
    section = installed(mine="FILED")
    message = "thing 'mine': the configuration has no section 'mine', expected one with file. Add it"
    with pytest.raises(TglError) as found:
        settings_of(THINGS, section(), "mine")
    assert str(found.value) == message
    assert problems(section, {"mine": {"size": 3}}) == ["mine.file: Field required, found {'size': 3}"]


def test_defaults_that_do_not_go_together_are_an_error_with_their_reason(installed):
    section = installed(mine="NEVER")
    with pytest.raises(TglError, match=r"thing 'mine': .*size: is never right"):
        settings_of(THINGS, section(), "mine")


def test_an_entry_is_imported_only_when_it_is_named(installed):
    installed(BROKEN, "broken_package", damaged="ANY")
    section = installed(mine="SIZED")
    assert {"damaged", "mine"} <= set(section.model_fields)
    assert problems(section, {"seed": 4}) == []
    assert "own_package" not in sys.modules
    assert problems(section, {"mine": {"size": 4}}) == []
    assert "own_package" in sys.modules
    with pytest.raises(TglError, match=r"thing 'damaged': .* cannot be imported"):
        problems(section, {"damaged": {"size": 4}})


@pytest.mark.parametrize("name", ["seed", "problems", "all_problems", "copy", "model_fields"])
def test_an_entry_named_like_a_key_or_method_of_the_section_is_refused(installed, name):
    with pytest.raises(
        TglError, match=f"thing '{name}': Things already uses this name, expected a different one"
    ):
        installed(**{name: "SIZED"})


def test_a_package_that_is_installed_and_not_used_leaves_the_settings_as_they_were(installed):
    section = installed(mine="SIZED", bare="PLAIN")
    assert section().model_dump() == Things().model_dump()
    assert section().model_dump_json() == Things().model_dump_json()
    assert section().model_dump(exclude={"seed"}) == {}


def test_settings_that_are_given_come_back_from_json(installed):
    section = installed(mine="SIZED", other="FILED")
    given, _ = validated(section, {"mine": {"size": 4}})
    text = json.dumps(given.model_dump(mode="json"))
    assert json.loads(text) == {"seed": 0, "mine": {"size": 4, "most": 5, "inner": {"wide": False}}}
    assert load_section(section, text) == given


def test_a_key_that_names_an_entry_takes_those_of_other_packages(installed):
    installed(mine="SIZED")
    assert problems(Chosen, {"thing": "mine"}) == []
    assert problems(Chosen, {"thing": "world"}) == []
    (line,) = problems(Chosen, {"thing": "wrld"})
    assert line.startswith("thing: no thing 'wrld' (did you mean 'world'?); known: counterfactual, ")
    assert line.endswith("mine, found 'wrld'")
