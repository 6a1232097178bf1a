import dataclasses

import pytest

from tests.support.model_fixtures import RANKED, plan_of
from tests.train.continual_runs import SETTINGS as RUN_SETTINGS
from tests.train.continual_runs import profile_row, run_of
from tgl.core.errors import TglError
from tgl.plans.plan import Plan
from tgl.plans.settings import PlanConfig
from tgl.train.planning import check_remaking, drift_rows, is_policy, plan_again, ranked_by
from tgl.train.run import Period

SETTINGS = PlanConfig(denominator="matched_span", salient="new_entity")
ROWS = [
    profile_row(name, value + shift, group=group, denominator=denominator)
    for group, denominator, shift in (("new_entity", "matched_span", 0.0), ("new_entity", "unchanged", 10.0))
    for name, value in zip(RANKED, (1.0, 2.0, 4.0, 1.5), strict=True)
]


def called(method):
    return plan_of([0.0, 0.0, 1.0, 0.0], method=method)


@pytest.mark.parametrize("method", ["full", "tgl_fp", "tgl_fp.top25.unchanged", "only.2", "lisa"])
def test_a_plan_with_a_policy_s_name_can_be_made_anew(method):
    assert is_policy(called(method))
    check_remaking(called(method), "plan.json")


@pytest.mark.parametrize("method", ["by hand", "tgl_fb", "mine.tgl_fp"])
def test_a_plan_by_hand_cannot_be_made_anew_and_the_file_is_named(method):
    assert not is_policy(called(method))
    with pytest.raises(TglError, match=rf"^plan\.json: .*'each'.*no policy is called '{method}'"):
        check_remaking(called(method), "plan.json")


@pytest.mark.parametrize("method", ["tgl_fp.mine", "only", "full.of_mine"])
def test_a_plan_by_hand_may_be_called_much_like_a_policy(method):
    assert not is_policy(called(method))
    assert len(drift_rows(called(method), ROWS, "20200101", settings=SETTINGS, origin="")) == 4


def test_a_plan_is_ranked_by_what_its_name_says_and_one_by_hand_by_the_configuration():
    assert ranked_by(called("tgl_fp.unchanged"), SETTINGS) == ("new_entity", "unchanged")
    assert ranked_by(called("random.updated"), SETTINGS) == ("updated", "matched_span")
    assert ranked_by(called("by hand"), SETTINGS) == ("new_entity", "matched_span")


@pytest.mark.parametrize(("method", "shift"), [("tgl_fp", 0.0), ("tgl_fp.unchanged", 10.0), ("by hand", 0.0)])
def test_drift_tells_the_norms_the_plan_was_ranked_by(method, shift):
    rows = drift_rows(called(method), ROWS, "20200101", settings=SETTINGS, origin="profile.parquet")
    assert [row["sublayer"] for row in rows] == RANKED
    assert [row["relative_norm"] for row in rows] == [value + shift for value in (1.0, 2.0, 4.0, 1.5)]
    assert [(row["low"], row["high"]) for row in rows] == [
        ((value + shift) / 2, (value + shift) * 2) for value in (1.0, 2.0, 4.0, 1.5)
    ]
    assert [row["multiplier"] for row in rows] == [0.0, 0.0, 1.0, 0.0]
    assert {row["period"] for row in rows} == {"20200101"}


def test_a_profile_without_the_ranking_is_named():
    with pytest.raises(
        TglError, match=r"^profile\.parquet: no relative norm of 'updated' over 'matched_span'"
    ):
        drift_rows(called("random.updated"), ROWS, "20200101", settings=SETTINGS, origin="profile.parquet")


def test_a_plan_made_anew_keeps_its_whole_name(tmp_path):
    run = run_of(tmp_path, tmp_path, settings=dataclasses.replace(RUN_SETTINGS, plan=SETTINGS))
    period = Period(run, 1, None, None, called("tgl_fp.top50.unchanged"))
    plan = plan_again(period, ROWS, None, origin="")
    assert isinstance(plan, Plan)
    assert (plan.method, plan.denominator) == ("tgl_fp.top50.unchanged", "unchanged")
    assert plan.trained() == {RANKED[1], RANKED[2]}
