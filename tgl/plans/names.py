"""The names of plans and methods, as configuration and folders use them. Imports nothing heavy.

A plan's name is a policy and its variations, parted by dots, in any order: `tgl_fp`, `tgl_fp.top25.unchanged`,
`random.top25`, `tgl_alr.max`, `only.3`. A method's is a plan and, after `+`, the baseline it is put on:
`tgl_fp+ewc`; without one it is plain continued pretraining.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tgl.errors import TglError, nearest

DENOMINATORS = ("window", "matched_span", "unchanged")
SALIENT = ("updated", "new_entity")
EMBEDDINGS = ("frozen_embedding", "trained_embedding")
# Module of each baseline below tgl.train.baselines: what a run on it depends on, known without importing it.
BASELINE_MODULES = {
    "plain": "plain",
    "replay": "old_text",
    "mix_review": "old_text",
    "recadam": "recadam",
    "ewc": "ewc",
    "lora": "lora",
    "k_adapter": "k_adapter",
    "oracle": "old_text",
}
BASELINES = tuple(BASELINE_MODULES)
# Which variations each policy knows: top<N> (share of sublayers), max, the policy it takes a mean of, a number.
_VARIATIONS: dict[str, frozenset[str]] = {
    "full": frozenset(),
    "tgl_fp": frozenset({"profile", "top"}),
    "tgl_alr": frozenset({"profile", "max"}),
    "random": frozenset({"profile", "top"}),
    "inverse": frozenset({"profile", "top"}),
    "first": frozenset({"profile", "top"}),
    "last": frozenset({"profile", "top"}),
    "random_half": frozenset(),
    "shuffled_alr": frozenset({"profile", "max"}),
    "full_at_mean_lr": frozenset({"profile", "top", "max", "of"}),
    "spectrum": frozenset({"profile", "top"}),
    "lisa": frozenset({"profile", "top"}),
    "only": frozenset({"number"}),
}
POLICIES = tuple(_VARIATIONS)


@dataclass(frozen=True)
class PlanName:
    """A plan's name taken apart; None stands for the configuration's default.

    top: share of the sublayers with the largest relative norm (None: those above the mean). scale: what `tgl_alr`
    divides by. of: the policy whose mean rate `full_at_mean_lr` takes. number: the one sublayer `only` trains,
    counted from 0 in order of depth. borrowed: ranked by another experiment's profile (`plan.borrow`).
    """

    policy: str
    top: float | None = None
    scale: str = "mean"
    denominator: str | None = None
    salient: str | None = None
    embedding: str | None = None
    of: str = "tgl_alr"
    number: int | None = None
    borrowed: bool = False


def parse_plan(name: str) -> PlanName:
    """Take a plan's name apart. Raises TglError for what is unknown, said twice, or without meaning there."""
    policy, *parts = name.split(".")
    if policy not in _VARIATIONS:
        raise TglError(
            f"'{name}': no policy '{policy}'{nearest(policy, POLICIES)}; known: {', '.join(POLICIES)}"
        )
    values: dict[str, object] = {}
    for part in parts:
        needs, key, value = _variation(name, part)
        if needs and needs not in _VARIATIONS[policy]:
            raise TglError(f"'{name}': '{part}' has no meaning for the policy '{policy}'")
        if key in values:
            raise TglError(f"'{name}': '{part}' says {key} a second time")
        values[key] = value
    if policy == "only" and "number" not in values:
        raise TglError(f"'{name}': expected the sublayer's number, from 0 in order of depth, as in 'only.3'")
    of_fp = "top" in values or values.get("of") == "tgl_fp"
    if policy == "full_at_mean_lr" and of_fp and ("scale" in values or values.get("of") == "tgl_alr"):
        raise TglError(f"'{name}': top<N> belongs to tgl_fp, max to tgl_alr")
    if policy == "full_at_mean_lr" and "top" in values:
        values["of"] = "tgl_fp"
    return PlanName(policy, **values)


def _variation(name: str, part: str) -> tuple[str, str, object]:
    """Return (what the policy must know, field of PlanName, value) of one part of a name."""
    if found := re.fullmatch(r"top([0-9]{1,2})", part):
        if int(found[1]) == 0:
            raise TglError(f"'{name}': top0 would train nothing")
        return "top", "top", int(found[1]) / 100
    if re.fullmatch(r"[0-9]+", part):
        return "number", "number", int(part)
    if part == "max":
        return "max", "scale", part
    if part in DENOMINATORS:
        return "profile", "denominator", part
    if part in SALIENT:
        return "profile", "salient", part
    if part == "borrowed":
        return "profile", "borrowed", True
    if part in EMBEDDINGS:
        return "", "embedding", part.removesuffix("_embedding")
    if part in ("tgl_fp", "tgl_alr"):
        return "of", "of", part
    known = ("top25", "max", "borrowed", *DENOMINATORS, *SALIENT, *EMBEDDINGS)
    raise TglError(f"'{name}': unknown variation '{part}'{nearest(part, known)}; known: {', '.join(known)}")


def rate_text(rate: float) -> str:
    """Return the shortest text that reads back as exactly this learning rate: two rates never share one."""
    short = f"{rate:g}"
    return short if float(short) == rate else repr(float(rate))


def method_folder(method: str, rate: float) -> str:
    """Return the folder's name of a method at a learning rate."""
    plan, baseline = parse_method(method)
    return f"{plan}-{baseline}-lr{rate_text(rate)}"


def parse_method(name: str) -> tuple[str, str]:
    """Return (plan, baseline) of a method's name. Raises TglError for an unknown one."""
    plan, *rest = name.split("+")
    parse_plan(plan)
    if len(rest) > 1 or (rest and rest[0] not in BASELINES):
        wrong = "+".join(rest)
        raise TglError(
            f"'{name}': no baseline '{wrong}'{nearest(wrong, BASELINES)}; known: {', '.join(BASELINES)}"
        )
    return plan, rest[0] if rest else "plain"
