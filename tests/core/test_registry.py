"""Entries of a registry: modules of one package, and entry points of other packages."""

import sys

import pytest

from tests.support.packages import install
from tgl.core import registry as registry_module
from tgl.core.errors import TglError
from tgl.core.registry import Registry
from tgl.plans.policy import POLICIES, Policy
from tgl.train.baseline import BASELINES, Baseline

# The shipped policies, as the entries of a group that no package knows.
THINGS = Registry("thing", "things", "tgl.plans.policies", "POLICY", Policy)
GROUP = "tgl.things"
MODULE = "from tgl.plans.policy import Policy\n\nPOLICY = Policy(lambda name, units, rng: None)\nOTHER = 3\n"
BROKEN = "import a_package_that_nobody_has\n"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a package with one module and entries of the group `tgl.things`."""
    packages = []

    def add(package, text=MODULE, group=GROUP, **entries):
        packages.append(package)
        folder = install(tmp_path / package, package, {group: entries}, **{package: text})
        monkeypatch.syspath_prepend(folder)
        registry_module._points.cache_clear()

    yield add
    registry_module._points.cache_clear()
    for package in packages:
        sys.modules.pop(package, None)


def test_shipped_entries_come_first_and_each_part_is_sorted(installed):
    assert THINGS.names() == THINGS.shipped() == POLICIES.shipped()
    installed("own_package", zeta="own_package:POLICY", alpha="own_package:POLICY")
    assert THINGS.names() == (*sorted(POLICIES.shipped()), "alpha", "zeta")
    assert list(THINGS) == list(THINGS.names())
    assert "zeta" in THINGS
    assert "eta" not in THINGS


def test_an_entry_of_another_package_is_imported_only_when_it_is_asked_for(installed):
    installed("own_package", mine="own_package:POLICY")
    assert "mine" in THINGS
    assert THINGS.module("mine") == "own_package"
    assert THINGS.module("full") == "tgl.plans.policies.full"
    assert "own_package" not in sys.modules
    found = THINGS.get("mine")
    assert isinstance(found, Policy)
    assert found is sys.modules["own_package"].POLICY


@pytest.mark.parametrize("look_up", [THINGS.get, THINGS.module])
def test_an_unknown_name_is_refused_with_the_nearest_and_all_known_ones(installed, look_up):
    installed("own_package", middle="own_package:POLICY")
    with pytest.raises(TglError) as found:
        look_up("midle")
    known = ", ".join([*POLICIES.shipped(), "middle"])
    assert str(found.value) == f"no thing 'midle' (did you mean 'middle'?); known: {known}"
    with pytest.raises(TglError, match=r"^no thing 'qqqq'; known: alr_fisher, alr_inverse_fisher"):
        look_up("qqqq")


@pytest.mark.parametrize(
    ("text", "value", "cause"),
    [
        (BROKEN, "own_package:POLICY", "ModuleNotFoundError: No module named 'a_package_that_nobody_has'"),
        ("POLICY = 1 / 0\n", "own_package:POLICY", "ZeroDivisionError: division by zero"),
        ("POLICY = (\n", "own_package:POLICY", "SyntaxError"),
        (MODULE, "own_package:MISSING", "AttributeError: module 'own_package' has no attribute 'MISSING'"),
        (MODULE, "another_package:POLICY", "ModuleNotFoundError: No module named 'another_package'"),
    ],
)
def test_an_entry_that_cannot_be_imported_is_reported_with_its_package_and_the_cause(
    installed, text, value, cause
):
    installed("own_package", text, mine=value)
    with pytest.raises(TglError) as found:
        THINGS.get("mine")
    start = f"thing 'mine': '{value}' of the package 'own_package' cannot be imported ({cause}"
    assert str(found.value).startswith(start)
    assert str(found.value).endswith("Correct that package, or uninstall it")


def test_a_broken_entry_leaves_the_others_alone(installed):
    installed("own_package", mine="own_package:POLICY")
    installed("broken_package", BROKEN, damaged="broken_package:POLICY")
    assert THINGS.names()[-2:] == ("damaged", "mine")
    assert isinstance(THINGS.get("mine"), Policy)
    assert THINGS.get("full") is POLICIES.get("full")


@pytest.mark.parametrize(("attribute", "shown"), [("OTHER", "3"), ("Policy", "<class '.*Policy'>")])
def test_an_object_of_another_class_is_refused(installed, attribute, shown):
    installed("own_package", mine=f"own_package:{attribute}")
    with pytest.raises(TglError, match=f"found {shown}, expected an object of the class Policy"):
        THINGS.get("mine")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BASELINE = 3\n", "3"),
        ("class BASELINE:\n    Settings = None\n", "<class 'own_package.BASELINE'>"),
        (
            "from tgl.train.baseline import Baseline\n\nBASELINE = Baseline()\n",
            "<tgl.train.baseline.Baseline",
        ),
    ],
)
def test_a_baseline_is_a_class_derived_from_baseline(installed, text, shown):
    installed("own_package", text, group="tgl.baselines", mine="own_package:BASELINE")
    with pytest.raises(TglError, match=f"found {shown}.*, expected a class derived from Baseline"):
        BASELINES.get("mine")


def test_a_class_that_derives_from_baseline_is_taken(installed):
    text = "from tgl.train.baselines.ewc import Ewc\n\n\nclass Mine(Ewc):\n    pass\n"
    installed("own_package", text, group="tgl.baselines", mine="own_package:Mine")
    assert issubclass(BASELINES.get("mine"), Baseline)


def test_a_name_of_two_packages_is_refused(installed):
    installed("own_package", mine="own_package:POLICY")
    installed("second_package", mine="second_package:POLICY")
    for look_up in (THINGS.names, lambda: THINGS.get("mine"), lambda: "mine" in THINGS):
        with pytest.raises(TglError) as found:
            look_up()
        assert "thing 'mine' of the package" in str(found.value)
        assert {"'own_package'", "'second_package'"} <= set(str(found.value).replace(":", "").split())
        assert str(found.value).endswith("Rename the entry point, or uninstall one of the packages")


def test_a_name_of_a_shipped_entry_is_refused(installed):
    installed("own_package", full="own_package:POLICY")
    message = "thing 'full' of the package 'own_package': tgl already has one with this name. Rename"
    with pytest.raises(TglError, match=message):
        THINGS.names()
    assert THINGS.get("full") is POLICIES.get("full")


@pytest.mark.parametrize("name", ["Mine", "my-own", "1st", "my.own", "_mine", "größe", "my own"])
def test_a_name_that_can_be_no_folder_or_part_of_a_longer_name_is_refused(installed, name):
    installed("own_package", **{name: "own_package:POLICY"})
    with pytest.raises(
        TglError, match=f"thing '{name}' of the package 'own_package': expected a name of small"
    ):
        THINGS.names()
