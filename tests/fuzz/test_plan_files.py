"""Plan files with wrong types, huge numbers, odd phases and damaged bytes."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, changed, json_files, json_values, refused_or
from tgl.plans.plan import load_plan, save_plan

NAMES = {"block00.mlp": 1, "block01.mlp": 0.5}
GOOD = [
    {"method": "mine", "multipliers": NAMES},
    {"method": "mine", "embedding": 0.5, "multipliers": NAMES, "denominator": "window", "trainable_parameters": 5,
     "total_parameters": 9, "note": "a", "later": [{"from": 0.25, "multipliers": NAMES}]},
]  # fmt: skip
phases = st.lists(changed({"from": 0.5, "multipliers": NAMES}), max_size=3)
plans = st.sampled_from(GOOD).flatmap(changed) | st.tuples(st.sampled_from(GOOD), phases).map(
    lambda found: found[0] | {"later": found[1]}
)


@cases(0.04)
@given(json_files(st.one_of(plans, plans, json_values), suffixes=(".json",)))
def test_a_plan_is_whole_or_refused_with_its_file(folder, file):
    path = folder / "plan.json"
    path.write_bytes(file[1])
    plan = refused_or(lambda: load_plan(path), path)
    if plan is None:
        return
    for multipliers in [phase.multipliers for phase in plan.phases]:
        assert all(0 <= 0.001 * value < math.inf for value in multipliers.values())
        assert multipliers.keys() == plan.multipliers.keys()
    assert all(plan.of(name) >= 0 for name in ("embedding", *plan.multipliers))
    assert plan.schedule(1)[0][0] == 0
    assert plan.trained() <= set(plan.multipliers)
    save_plan(plan, folder / "again.json")
    assert load_plan(folder / "again.json") == plan
    json.loads((folder / "again.json").read_text())
