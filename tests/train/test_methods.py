import math
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import REPOSITORY
from tgl.config.root import BaselinesConfig
from tgl.core.errors import TglError
from tgl.plans.names import plan_id
from tgl.train.baseline import BASELINES
from tgl.train.methods import baseline_settings, method_folder, parse_method, rate_text, split_baseline

quick = settings(deadline=None, derandomize=True, max_examples=100)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_method_is_a_plan_on_a_baseline(baseline):
    assert parse_method(f"tgl_fp.top25+{baseline}") == ("tgl_fp.top25", baseline)


def test_a_method_without_a_baseline_is_plain_training():
    assert parse_method("inverse.unchanged") == ("inverse.unchanged", "plain")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tgl_fp+ewcc", "'tgl_fp+ewcc': no baseline 'ewcc' (did you mean 'ewc'?)"),
        ("tgl_fp+", "'tgl_fp+': no baseline ''"),
        ("tgl_fp+ewc+lora", "no baseline 'ewc+lora'"),
        ("tgl_pf+ewc", "no policy 'tgl_pf'"),
        ("ewc", "no policy 'ewc'"),
    ],
)
def test_a_method_of_an_unknown_plan_or_baseline_is_refused(name, words):
    with pytest.raises(TglError, match=re.escape(words)):
        parse_method(name)


@pytest.mark.parametrize(
    "plan", ["file:mine.json", "file:a+b/mine.json", "file:a+ewc/mine.json", "file:/a/b c/mine.json"]
)
def test_a_plan_by_hand_goes_on_any_baseline_and_its_path_may_hold_a_plus_sign(plan):
    assert parse_method(plan) == (plan, "plain")
    for baseline in BASELINES:
        assert parse_method(f"{plan}+{baseline}") == (plan, baseline)


@pytest.mark.parametrize(
    "name",
    ["file:mine.json+ewcc", "file:mine.json+", "file:mine.json+ewc+lora", "file:+ewc", "file:mine+ewc"],
)
def test_a_method_of_a_bad_file_or_an_unknown_baseline_is_refused(name):
    with pytest.raises(TglError, match=r"'file:"):
        parse_method(name)


@pytest.mark.parametrize(
    ("method", "rate", "folder"),
    [
        ("full", 0.003, "full-plain-lr0.003"),
        ("tgl_fp.top25+mix_review", 1e-5, "tgl_fp.top25-mix_review-lr1e-05"),
        ("only.3+ewc", 1.0, "only.3-ewc-lr1"),
        ("full", 0.0030000001, "full-plain-lr0.0030000001"),
        ("file:a+b/mine.json", 0.003, "file.mine-plain-lr0.003"),
        ("file:a+b/mine.json+ewc", 0.003, "file.mine-ewc-lr0.003"),
        ("full", 0.00150000000000001, "full-plain-lr0.00150000000000001"),
    ],
)
def test_the_folder_of_a_method_names_plan_baseline_and_rate(method, rate, folder):
    assert method_folder(method, rate) == folder


@quick
@given(
    st.sampled_from(
        ["full", "tgl_fp.top25.unchanged", "only.3", "full_at_mean_lr.tgl_fp", "file:a-b/mine.json"]
    ),
    st.sampled_from(BASELINES.names()),
    st.floats(1e-12, 100),
)
def test_the_workflow_takes_a_folder_apart_again(plan, baseline, rate):
    common = (REPOSITORY / "workflow" / "rules" / "common.smk").read_text()
    patterns = dict(re.findall(r"^    (plan|baseline|rate)=r\"(.*)\",$", common, flags=re.M))
    whole = "({plan})-({baseline})-lr({rate})".format(**patterns)
    assert re.fullmatch(whole, method_folder(f"{plan}+{baseline}", rate)).groups() == (
        plan_id(plan), baseline, rate_text(rate),
    )  # fmt: skip


@quick
@given(st.floats(1e-12, 100), st.integers(-3, 3))
def test_a_rate_reads_back_from_its_folder_exactly_so_two_never_share_one(rate, apart):
    other = rate
    for _ in range(abs(apart)):
        other = math.nextafter(other, math.copysign(math.inf, apart))
    for value in (rate, other):
        assert float(method_folder("full", value).rpartition("-lr")[2]) == value
    assert (rate_text(rate) == rate_text(other)) == (rate == other)


def test_reading_methods_loads_no_heavy_package():
    code = "import sys, tgl.train.methods; print({'torch', 'numpy', 'pandas'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "baseline", "key", "value"),
    [
        ("full+replay.0.25", "replay.0.25", "ratio", 0.25),
        ("full+ewc.5000", "ewc.5000", "strength", 5000.0),
        ("tgl_fp.top25+lora.8", "lora.8", "rank", 8),
        ("full+mix_review.2", "mix_review.2", "ratio", 2.0),
    ],
)
def test_a_number_after_the_baseline_sets_its_main_setting(name, baseline, key, value):
    assert parse_method(name)[1] == baseline
    given = BaselinesConfig()
    found = baseline_settings(given, baseline)
    assert getattr(found, key) == value
    name, _ = split_baseline(baseline)
    assert baseline_settings(given, name) == getattr(given, name)
    assert found.model_dump() == getattr(given, name).model_dump() | {key: value}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("full+replay.", "expected a number in its shortest form"),
        ("full+replay.a", "found 'a' as ratio of 'replay'"),
        ("full+replay.0.250", "expected a number in its shortest form, such as 0.25"),
        ("full+replay.1e-3", "found '1e-3' as ratio"),
        ("full+k_adapter.3", "'k_adapter' has no setting"),
        ("full+plain.3", "'plain' has no setting"),
        ("full+ewcc.3", "no baseline 'ewcc'"),
    ],
)
def test_a_number_that_means_nothing_is_refused(name, words):
    with pytest.raises(TglError, match=re.escape(words)):
        parse_method(name)


def test_a_number_that_the_setting_does_not_accept_is_refused():
    with pytest.raises(TglError, match=r"baseline 'replay.5000': ratio"):
        baseline_settings(BaselinesConfig(), "replay.5000")
    with pytest.raises(TglError, match=r"baseline 'lora.0.5': rank"):
        baseline_settings(BaselinesConfig(), "lora.0.5")


@quick
@given(st.floats(0.001, 1000))
def test_every_ratio_has_one_name(ratio):
    text = rate_text(ratio)
    if "e" not in text:
        assert baseline_settings(BaselinesConfig(), f"replay.{text}").ratio == ratio
        assert method_folder(f"full+replay.{text}", 0.1) == f"full-replay.{text}-lr0.1"
