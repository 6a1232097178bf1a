"""The names of plans in configuration and folders. This module has only light imports.

The name of a plan is a policy with variations, separated by dots, in any order: `tgl_fp`, `tgl_fp.top25.unchanged`,
`random.top25`, `tgl_alr.max`, `only.3`. The name of a plan written by hand is its file: `file:mine.json`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tgl.core.errors import TglError, nearest
from tgl.core.vocabulary import DENOMINATORS, SALIENT_KINDS
from tgl.plans.policy import POLICIES

_FILE = "file:"
# These variations set the multiplier of the unit `embedding`.
EMBEDDINGS = ("frozen_embedding", "trained_embedding")


@dataclass(frozen=True)
class PlanName:
    """The parsed name of a plan. None means the configuration's default.

    Attributes:
        policy: The policy; "file" for a plan written by hand.
        top: Share of the sublayers with the largest relative norm. None: those above the mean.
        scale: The divisor of `tgl_alr`: mean or max.
        denominator: The denominator of the relative norm.
        salient: The kind of probe that ranks the sublayers.
        embedding: "frozen" or "trained".
        of: The policy whose mean rate `full_at_mean_lr` uses.
        number: The sublayer that `only` trains, from 0 in order of depth.
        borrowed: Whether another experiment's profile ranks the sublayers (`plan.borrow`).
        file: The file of a plan written by hand.
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
    file: str | None = None


def parse_plan(name: str) -> PlanName:
    """Parse the name of a plan.

    Raises:
        TglError: A part of the name is unknown, repeated, or not supported by the policy.
    """
    if name.startswith(_FILE):
        return _of_file(name)
    policy, *parts = name.split(".")
    if policy not in POLICIES:
        raise TglError(f"'{name}': {POLICIES.unknown(policy)}")
    variations = POLICIES.get(policy).variations
    values: dict[str, object] = {}
    for part in parts:
        needs, key, value = _variation(name, part)
        # Every policy that ranks by a profile accepts the kind of its salient spans.
        if needs and needs not in variations and not (needs == "salient" and "profile" in variations):
            raise TglError(f"'{name}': '{part}' has no meaning for the policy '{policy}'")
        if key in values:
            raise TglError(f"'{name}': '{part}' sets {key} a second time; remove one of them")
        values[key] = value
    if policy == "only" and "number" not in values:
        raise TglError(f"'{name}': expected the sublayer's number, from 0 in order of depth, as in 'only.3'")
    of_fp = "top" in values or values.get("of") == "tgl_fp"
    if policy == "full_at_mean_lr" and of_fp and ("scale" in values or values.get("of") == "tgl_alr"):
        raise TglError(f"'{name}': top<N> belongs to tgl_fp, max to tgl_alr")
    if policy == "full_at_mean_lr" and "top" in values:
        values["of"] = "tgl_fp"
    return PlanName(policy, **values)


def _of_file(name: str) -> PlanName:
    path = Path(name.removeprefix(_FILE))
    if path.suffix != ".json" or not re.fullmatch(r"[a-z0-9_]{1,60}", path.stem):
        raise TglError(
            f"'{name}': expected a plan written by hand, file:PATH/NAME.json, with only small letters, digits and _ in "
            "NAME, which becomes a folder. Rename the file"
        )
    return PlanName("file", file=str(path))


def _variation(name: str, part: str) -> tuple[str, str, object]:
    """Return (variation that the policy must support, field of PlanName, value) for one part of a name."""
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
    if part in SALIENT_KINDS:
        return "salient", "salient", part
    if part == "borrowed":
        return "profile", "borrowed", True
    if part in EMBEDDINGS:
        return "", "embedding", part.removesuffix("_embedding")
    if part in ("tgl_fp", "tgl_alr"):
        return "of", "of", part
    known = ("top25", "max", "borrowed", *DENOMINATORS, *SALIENT_KINDS, *EMBEDDINGS)
    raise TglError(f"'{name}': unknown variation '{part}'{nearest(part, known)}; known: {', '.join(known)}")


def plan_id(name: str) -> str:
    """Return the id of a plan in files and tables: its name, or `file.STEM` for `file:PATH/STEM.json`."""
    return f"file.{Path(name.removeprefix(_FILE)).stem}" if name.startswith(_FILE) else name
