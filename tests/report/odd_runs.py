"""Runs that are odd and legal, and what the report of each must and must not state."""

from __future__ import annotations

from tests.report.result_folder import DATES, World, configuration

LOADED = {"tokens": {"tokenizer": "some/model"}, "snapshots": {"source": "local"}}
REAL = {**LOADED, "model": {"load": "some/model", "pretrain": {"steps": 0}}}
MANY = [
    "full", "tgl_fp", "tgl_fp.top25", "tgl_fp.unchanged", "tgl_alr", "tgl_alr.max", "random", "random.top25", "inverse",
    "inverse.top25", "first", "last", "random_half", "shuffled_alr", "full_at_mean_lr", "spectrum", "full+ewc",
    "tgl_fp+ewc", "full+replay", "tgl_fp+replay", "full+mix_review", "full+recadam", "full+lora", "full+oracle",
    "last+ewc",
]  # fmt: skip

CASES = {
    "ordinary": (configuration(), World()),
    "least": (
        configuration(
            seeds=[0], methods=["full"], snapshots={"dates": DATES[:2]}, train={"learning_rates": [0.002]},
            model={"pretrain": {"keep": []}},
        ),
        World(twin=False, controls=("matched_span",), candidates=False, traced_facts=False),
    ),
    "loaded": (
        configuration(probes={"sets": ["templama"], "templama": {"file": "t", "pairs": {DATES[1]: ["a", "b"]}}},
                      train={"learning_rates": [0.002]}, methods=["full", "tgl_fp", "random"], **REAL),
        World(candidates=False),
    ),
    "adapted": (
        configuration(
            seeds=[0, 1, 2], methods=["full", "full+ewc", "tgl_alr", "shuffled_alr", "tgl_alr+ewc"], **LOADED,
            model={"load": "some/model",
                   "pretrain": {"steps": 50, "learning_rate": 0.001}},
            train={"learning_rates": [0.0002, 0.001, 0.004, 0.008], "score_at": [9, 18, 27, 36]},
            report={"level": 0.5},
            probes={"sets": ["snapshots"]},
        ),
        World(),
    ),
    "one rate scaled": (
        configuration(methods=["full", "tgl_alr"], train={"learning_rates": [0.002]}), World(held_out=())
    ),
    "no updated facts": (
        configuration(plan={"salient": "new_entity"}, report={"uptake": ["new_entity"]}, train={"score_at": [20]}),
        World(kinds=("new_entity", "unchanged")),
    ),
    "no unchanged facts": (
        configuration(plan={"denominator": "unchanged"}, methods=["full", "tgl_fp.window"]),
        World(kinds=("updated", "new_entity")),
    ),
    "unchanged facts alone": (
        configuration(methods=["full", "first", "random_half"], model={"pretrain": {"keep": [0, 10]}}),
        World(kinds=("unchanged",)),
    ),
    "no relations": (
        configuration(
            probes={"sets": ["ecbd"], "ecbd": {"files": ["e"], "period": DATES[1]}},
            plan={"salient": "new_entity"}, **REAL
        ),
        World(kinds=("new_entity",), candidates=False, relations=False, held_out=("base",)),
    ),
    "frozen in some seeds": (
        configuration(methods=["full", "random", "lisa", "full.trained_embedding"], seeds=[0, 1, 2, 3]),
        World(frozen={("random", 0): {"block00.mlp"}, ("random", 1): {"block00.mlp"}, ("lisa", 0): {"block01.mlp"}},
              later=("lisa",), drift=False, note="no random subset overlaps tgl_fp by little: this one has 0.80"),
    ),
    "profiled each period": (
        configuration(profile={"periods": "each"}, plan={"embedding": "trained"}, model={"pretrain": {"keep": [10]}}),
        World(),
    ),
    "large": (
        configuration(methods=MANY, model={"layers": 30}, seeds=[0],
                      train={"learning_rates": [0.001, 0.002, 0.004], "score_at": [15, 30]}),
        World(subjects=2),
    ),
    "planned": (
        configuration(
            methods=["full", "tgl_fp", "random", "full+ewc"], seeds=[0, 1, 2],
            train={"learning_rates": [0.001], "method_rates": {"full+ewc": [0.002, 0.004]}, "score_at": [15, 30]},
            report={"uptake": ["updated", "new_entity"], "comparisons": [["tgl_fp", "full"], ["random", "tgl_fp"]]},
        ),
        World(subjects=3),
    ),
}  # fmt: skip
