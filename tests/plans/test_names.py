import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import REPOSITORY
from tgl.core.errors import TglError
from tgl.plans.names import PlanName, parse_plan, plan_id
from tgl.plans.policy import POLICIES

quick = settings(deadline=None, derandomize=True, max_examples=100)
# What each policy may be told, of: a ranking, a share, a divisor, whose mean, a number.
KNOWS = {
    "full": (),
    "tgl_fp": ("ranking", "salient", "share"),
    "tgl_alr": ("ranking", "salient", "divisor"),
    "random": ("ranking", "salient", "share"),
    "inverse": ("ranking", "salient", "share"),
    "first": ("ranking", "salient", "share"),
    "last": ("ranking", "salient", "share"),
    "random_half": (),
    "shuffled_alr": ("ranking", "salient", "divisor"),
    "full_at_mean_lr": ("ranking", "salient", "share", "divisor", "whose"),
    "spectrum": ("ranking", "salient", "share"),
    "lisa": ("ranking", "salient", "share"),
    "only": ("number",),
    "alr_fisher": ("salient",),
    "alr_inverse_fisher": ("salient",),
    "alr_uptake": ("salient",),
    "shuffled_alr_fisher": ("salient",),
}
SAYS = {
    "ranking": ("window", "matched_span", "unchanged", "borrowed"),
    "salient": ("updated", "new_entity"),
    "share": ("top1", "top25", "top99"),
    "divisor": ("max",),
    "whose": ("tgl_fp", "tgl_alr"),
    "number": ("0", "12"),
}


def start(policy):
    """Return the shortest name of a policy."""
    return "only.3" if policy == "only" else policy


def test_every_policy_is_known():
    assert set(POLICIES) == set(KNOWS)
    for policy in POLICIES:
        assert parse_plan(start(policy)).policy == policy


@pytest.mark.parametrize("policy", KNOWS)
@pytest.mark.parametrize("kind", SAYS)
def test_a_variation_is_taken_where_it_means_something_and_refused_elsewhere(policy, kind):
    for part in SAYS[kind]:
        name = f"{policy}.{part}"
        if kind in KNOWS[policy]:
            assert parse_plan(name).policy == policy
        else:
            message = f"'{part}' has no meaning for the policy '{policy}'"
            with pytest.raises(TglError, match=re.escape(message)):
                parse_plan(name)


@pytest.mark.parametrize("policy", KNOWS)
@pytest.mark.parametrize("state", ["frozen", "trained"])
def test_every_plan_can_say_what_becomes_of_the_embedding(policy, state):
    assert parse_plan(f"{start(policy)}.{state}_embedding").embedding == state


def test_a_bare_name_leaves_everything_to_the_configuration():
    assert parse_plan("tgl_fp") == PlanName("tgl_fp", None, "mean", None, None, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tgl_fp.top25.unchanged", PlanName("tgl_fp", top=0.25, denominator="unchanged")),
        ("random.new_entity.top7", PlanName("random", top=0.07, salient="new_entity")),
        ("tgl_alr.max.matched_span", PlanName("tgl_alr", scale="max", denominator="matched_span")),
        ("random.borrowed.top50", PlanName("random", top=0.5, borrowed=True)),
        ("only.3.trained_embedding", PlanName("only", number=3, embedding="trained")),
        ("full_at_mean_lr", PlanName("full_at_mean_lr", of="tgl_alr")),
        ("full_at_mean_lr.max", PlanName("full_at_mean_lr", of="tgl_alr", scale="max")),
        ("full_at_mean_lr.tgl_fp", PlanName("full_at_mean_lr", of="tgl_fp")),
        ("full_at_mean_lr.top25", PlanName("full_at_mean_lr", of="tgl_fp", top=0.25)),
    ],
)
def test_a_name_says_what_it_means(name, expected):
    assert parse_plan(name) == expected


@quick
@given(st.permutations(["top30", "unchanged", "new_entity", "trained_embedding"]))
def test_variations_may_stand_in_any_order(parts):
    expected = PlanName("lisa", 0.3, "mean", "unchanged", "new_entity", "trained")
    assert parse_plan(".".join(["lisa", *parts])) == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tgl_pf", "no policy 'tgl_pf' (did you mean 'tgl_fp'?)"),
        ("", "no policy ''"),
        (".top25", "no policy ''"),
        ("tgl_fp.unchangd", "unknown variation 'unchangd' (did you mean 'unchanged'?)"),
        ("tgl_fp.top", "unknown variation 'top'"),
        ("tgl_fp.top100", "unknown variation 'top100'"),
        ("tgl_fp.top2.5", "'5' has no meaning for the policy 'tgl_fp'"),
        ("tgl_fp.", "unknown variation ''"),
        ("tgl_fp.top0", "top0 would train nothing"),
        ("tgl_fp.top00", "top0 would train nothing"),
        ("tgl_fp.top25.top30", "'top30' sets top a second time"),
        ("tgl_fp.window.unchanged", "'unchanged' sets denominator a second time"),
        ("tgl_fp.updated.updated", "'updated' sets salient a second time"),
        ("full.frozen_embedding.trained_embedding", "'trained_embedding' sets embedding a second time"),
        ("tgl_fp.borrowed.borrowed", "'borrowed' sets borrowed a second time"),
        ("tgl_alr.max.max", "'max' sets scale a second time"),
        ("full_at_mean_lr.tgl_fp.tgl_alr", "'tgl_alr' sets of a second time"),
        ("only", "expected the sublayer's number, from 0 in order of depth, as in 'only.3'"),
        ("only.trained_embedding", "expected the sublayer's number"),
        ("only.3.4", "'4' sets number a second time"),
        ("only.-1", "unknown variation '-1'"),
        ("full_at_mean_lr.tgl_fp.max", "top<N> belongs to tgl_fp, max to tgl_alr"),
        ("full_at_mean_lr.max.tgl_fp", "top<N> belongs to tgl_fp, max to tgl_alr"),
        ("full_at_mean_lr.tgl_alr.top25", "top<N> belongs to tgl_fp, max to tgl_alr"),
        ("full_at_mean_lr.top25.max", "top<N> belongs to tgl_fp, max to tgl_alr"),
    ],
)
def test_a_name_that_means_nothing_is_refused_and_repeated(name, words):
    with pytest.raises(TglError) as caught:
        parse_plan(name)
    assert f"'{name}': " in str(caught.value)
    assert words in str(caught.value)


@quick
@given(
    st.text(max_size=12)
    | st.lists(st.sampled_from([*POLICIES, "top25", "max", "3", "window", "x", ""]), max_size=4).map(".".join)
)
def test_any_text_is_a_plan_s_name_or_refused(text):
    refusal = ""
    try:
        found = parse_plan(text)
    except TglError as error:
        refusal = str(error)
    assert f"'{text}'" in refusal if refusal else found.policy == text.split(".")[0]


@pytest.mark.parametrize(
    ("name", "path", "identity"),
    [
        ("file:mine.json", "mine.json", "file.mine"),
        ("file:plans/mine_2.json", "plans/mine_2.json", "file.mine_2"),
        ("file:/some where/a+b/v1.0/mine.json", "/some where/a+b/v1.0/mine.json", "file.mine"),
        ("file:../ünï/tgl_fp.json", "../ünï/tgl_fp.json", "file.tgl_fp"),
    ],
)
def test_a_plan_by_hand_is_named_by_its_file_wherever_it_lies(name, path, identity):
    assert parse_plan(name) == PlanName("file", file=path)
    assert plan_id(name) == identity


def test_every_other_plan_is_called_by_its_name():
    for name in map(start, POLICIES):
        assert parse_plan(name).file is None
        assert plan_id(f"{name}.trained_embedding") == f"{name}.trained_embedding"


@pytest.mark.parametrize(
    "path",
    [
        "", "mine", ".json", "mine.yaml", "mine.json.gz", "Mine.json", "my plan.json", "my-plan.json",
        "mine.top25.json", "ünï.json", "mine\n.json", f"{'m' * 61}.json",
    ],
)  # fmt: skip
def test_a_file_whose_name_cannot_become_a_folder_is_refused(path):
    name = f"file:{path}"
    with pytest.raises(
        TglError, match=re.escape(f"'{name}': expected a plan written by hand, file:PATH/NAME.json")
    ):
        parse_plan(name)


def test_the_word_file_alone_is_no_policy():
    with pytest.raises(TglError, match="no policy 'file'"):
        parse_plan("file")
    with pytest.raises(TglError, match="no policy 'file'"):
        parse_plan("file.mine")


def test_reading_names_loads_no_heavy_package():
    code = "import sys, tgl.plans.names; print({'torch', 'numpy', 'pandas'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr
