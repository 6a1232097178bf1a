"""The facts of the partitions of the pretrained model, drawn again."""

import json
from itertools import combinations

from tests.support.paths import REPOSITORY
from tgl.config.check import load_config
from tgl.text.counterfactual.build import partition
from tgl.text.counterfactual.facts import Fact

FOLDER = REPOSITORY / "docs" / "evidence" / "pretrained"
CONFIG = load_config(REPOSITORY / "workflow" / "presets" / "pretrained-confirmation.yaml")
TEXT = " ".join((FOLDER / "README.md").read_text().split())


def test_two_partitions_share_as_many_facts_as_the_page_states():
    settings = CONFIG.snapshots.counterfactual
    lines = [json.loads(line) for line in (FOLDER / "known.jsonl").read_text().splitlines()]
    known = [
        Fact(line["relation"], line["subject"], line["answer"]) for line in lines if set(line["ranks"]) == {1}
    ]
    assert f"{len(known)} facts" in TEXT
    drawn = []
    for number in range(1, 7):
        found = partition(known, settings.model_copy(update={"partition": number}))
        drawn.append({(fact.relation, fact.subject) for fact in (*found.updated, *found.near, *found.far)})
    shared = [len(one & two) for one, two in combinations(drawn, 2)]
    assert f"share {min(shared)} to {max(shared)} of their 180 facts" in TEXT
    assert {len(facts) for facts in drawn} == {180}
