import importlib
import subprocess
import sys

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
        "Profile",
        "load_model",
        "load_plan",
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


def test_each_offered_name_is_the_one_of_its_module():
    from tgl.plans import plan
    from tgl.profiling import stage
    from tgl.train.baselines import lora

    assert (tgl.Profile, tgl.profile) == (stage.Profile, stage.profile)
    assert (tgl.Plan, tgl.load_plan, tgl.save_plan) == (plan.Plan, plan.load_plan, plan.save_plan)
    assert (tgl.lora_config, tgl.with_lora) == (lora.lora_config, lora.with_lora)
    from tgl import Plan, with_lora  # as people write it

    assert (Plan, with_lora) == (tgl.Plan, tgl.with_lora)


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tgl' has no attribute 'profil'"):
        tgl.profil  # noqa: B018
    assert not hasattr(tgl, "train_everything")
    with pytest.raises(ImportError):
        from tgl import nothing  # noqa: F401
