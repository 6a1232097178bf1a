import importlib
import subprocess
import sys
from importlib import metadata

import pytest

import tgl

HEAVY = "{'torch', 'transformers', 'datasets', 'pandas', 'peft'} & set(sys.modules)"


def alone(code):
    """Run code in a process of its own: this one has imported everything."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_or_reading_a_plan_imports_nothing_that_takes_seconds(tmp_path):
    plan = tgl.Plan("mine", 0.0, {"block00.mlp": 1.0})
    tgl.save_plan(plan, tmp_path / "plan.json")
    alone(
        f"import sys, tgl; heavy = {HEAVY}; assert not heavy, heavy;"
        f"plan = tgl.load_plan({str(tmp_path / 'plan.json')!r}); heavy = {HEAVY}; assert not heavy, heavy;"
        "assert plan == tgl.Plan('mine', 0.0, {'block00.mlp': 1.0}), plan"
    )


def test_the_package_offers_what_its_documentation_names():
    assert set(tgl.__all__) == {
        "Plan",
        "PlanCallback",
        "Profile",
        "Results",
        "load_model",
        "load_plan",
        "load_results",
        "load_tokenizer",
        "lora_config",
        "profile",
        "save_plan",
        "with_lora",
    }
    for name in tgl.__all__:
        offered = getattr(tgl, name)
        assert offered is getattr(importlib.import_module(offered.__module__), name)
        assert offered.__doc__


def test_dir_lists_what_is_offered_and_the_version():
    assert dir(tgl) == sorted([*tgl.__all__, "__version__"])


def test_the_version_is_that_of_the_installed_package(monkeypatch):
    assert tgl.__version__ == metadata.version("tgl")

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert tgl.__version__ == "0+unknown"


def test_asking_for_names_and_version_imports_nothing_that_takes_seconds():
    alone(f"import sys, tgl; dir(tgl); tgl.__version__; heavy = {HEAVY}; assert not heavy, heavy")


def test_each_offered_name_is_the_one_of_its_module():
    from tgl.plans import plan
    from tgl.profiling import profile
    from tgl.report import results
    from tgl.train import lora

    assert (tgl.Profile, tgl.profile) == (profile.Profile, profile.profile)
    assert (tgl.Plan, tgl.load_plan, tgl.save_plan) == (plan.Plan, plan.load_plan, plan.save_plan)
    assert (tgl.Results, tgl.load_results) == (results.Results, results.load_results)
    assert (tgl.lora_config, tgl.with_lora) == (lora.lora_config, lora.with_lora)
    from tgl import Plan, with_lora  # as people write it

    assert (Plan, with_lora) == (tgl.Plan, tgl.with_lora)


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tgl' has no attribute 'profil'"):
        tgl.profil  # noqa: B018
    assert not hasattr(tgl, "train_everything")
    with pytest.raises(ImportError):
        from tgl import nothing  # noqa: F401
