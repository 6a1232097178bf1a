"""Stage `plan`: make one plan from the table `profile`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tgl.core.errors import TglError
from tgl.core.tables.read import read_about, read_table
from tgl.core.vocabulary import UNRANKED
from tgl.plans.make import make_plan
from tgl.plans.names import parse_plan, plan_id
from tgl.plans.plan import Plan, load_plan, save_plan
from tgl.plans.policy import POLICIES, Unit, sizes
from tgl.plans.settings import PlanConfig


def write_plan(
    profile: str | Path,
    name: str,
    output: str | Path,
    *,
    settings: PlanConfig,
    seed: int,
    model: Path | None = None,
    others: Mapping[str, Path] = MappingProxyType({}),
) -> str:
    """Make a plan, write it as JSON, and return it as a readable table. A plan written by hand is checked and copied.

    Args:
        profile: The table `profile`.
        name: The name of the plan.
        output: The file to write.
        settings: Choices that the name leaves open.
        seed: Seed of random policies.
        model: The profiled model, for policies that measure it.
        others: Further tables: `borrowed` (the profile of another experiment) and `interference`, for plans that need
            them.

    Raises:
        TglError: The borrowed profile or a plan written by hand has different sublayers than the profile, or this is a
            profile of attention heads.
    """
    rows = read_table(profile, "profile").to_pylist()
    refuse_heads(read_about(profile), name)
    parsed = parse_plan(name)
    _check_others(name, others)
    if parsed.file is not None:
        units = units_of(rows, "full", settings, origin=str(profile))
        without = read_about(profile).get("adapters", {}).get("without", ())
        plan, units = _given(name, parsed.file, units, profile=profile, without=without)
    else:
        network = None
        if model is not None and POLICIES.get(parsed.policy).measure:
            from tgl.models.checkpoint import load_model

            network = load_model(model)
        if POLICIES.get(parsed.policy).interferes and "interference" in others:
            salient, _ = ranking(name, settings)
            rows = _with_interference(rows, others["interference"], profile, salient=salient)
        if parsed.borrowed:
            rows = _borrowed(rows, name, profile, borrowed=others.get("borrowed"))
        origin = str(others["borrowed"] if parsed.borrowed else profile)
        plan, units = plan_from(rows, name, settings, seed=seed, origin=origin, model=network)
        plan = with_the_rest(plan, read_about(profile))
    save_plan(plan, output)
    return describe(plan, units)


def _check_others(name: str, others: Collection[str]) -> None:
    """Raise TglError if a table is given that the plan does not read."""
    parsed = parse_plan(name)
    read = {
        "borrowed": parsed.borrowed,
        "interference": parsed.file is None and POLICIES.get(parsed.policy).interferes,
    }
    for table in others:
        if not read[table]:
            raise TglError(
                f"plan '{name}': found --{table}, which this plan does not read. Remove it, or choose another plan"
            )


def refuse_heads(about: Mapping, name: str) -> None:
    """Raise TglError if a profile, given by its metadata, has attention heads as units."""
    if about.get("settings", {}).get("unit") == "head":
        raise TglError(
            f"plan '{name}': found a profile of attention heads, which cannot be frozen one by one; expected units "
            "'sublayer' or 'module'. Measure the profile with one of these"
        )


def with_the_rest(plan: Plan, about: Mapping) -> Plan:
    """Return a plan that also names the sublayers without adapters, in which it trains nothing.

    They have no gradient to rank, so a profile of adapters has no row for them.

    Args:
        plan: The plan.
        about: The metadata of the profile.
    """
    without = dict.fromkeys(about.get("adapters", {}).get("without", ()), 0.0)
    if not without:
        return plan
    later = tuple(replace(phase, multipliers=_sorted(phase.multipliers | without)) for phase in plan.later)
    return replace(plan, multipliers=_sorted(plan.multipliers | without), later=later)


def _sorted(multipliers: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(multipliers.items()))


def _given(
    name: str, file: str, units: list[Unit], *, profile: str | Path, without: Collection[str] = ()
) -> tuple[Plan, list[Unit]]:
    """Return a plan that was written by hand, with the numbers of parameters that it trains, and the units.

    It may name the sublayers `without` adapters, which have no parameters to train.
    """
    plan, size = load_plan(file), sizes(units) | dict.fromkeys(without, 0)
    plan = with_the_rest(plan, {"adapters": {"without": set(without) - set(plan.multipliers)}})
    if set(plan.multipliers) != set(size):
        strange = sorted(set(plan.multipliers) ^ set(size))
        raise TglError(
            f"{file}: found multipliers of {len(plan.multipliers)} sublayers, expected the {len(size)} of {profile}; "
            f"these differ: {', '.join(strange[:4])}. Correct the names"
        )
    trained = sum(size[unit] for unit, value in plan.multipliers.items() if value > 0)
    total = sum(size.values())
    given = replace(plan, method=plan_id(name), trainable_parameters=trained, total_parameters=total)
    return given, units


def _borrowed(rows: list[dict], method: str, profile: str | Path, *, borrowed: Path | None) -> list[dict]:
    """Return the borrowed profile's rows, after checking that they have the same sublayers."""
    if borrowed is None:
        raise TglError(
            f"plan '{method}': found no borrowed profile, expected one. Give it with --borrowed FILE"
        )
    others = read_table(borrowed, "profile").to_pylist()
    own, other = ({(row["sublayer"], row["num_parameters"]) for row in table} for table in (rows, others))
    if own != other:
        raise TglError(
            f"{borrowed}: its sublayers are not those of {profile}: found {len(other)}, expected {len(own)}; these "
            f"differ: {sorted({name for name, _ in own ^ other})[:4]}. Borrow from a model of the same shape"
        )
    return others


def _with_interference(rows: list[dict], table: Path, profile: str | Path, *, salient: str) -> list[dict]:
    """Return the rows with uptake and Fisher trace of each sublayer.

    Raises:
        TglError: The table is of other spans than the plan, or of another model or other sublayers than the profile.
    """
    about, of_profile = read_about(table), read_about(profile)
    # In another type of numbers, the same weights have another hash.
    own = of_profile.get("model_sha256") if of_profile.get("dtype") == "float32" else None
    # Tables of earlier versions lack these.
    for what, found, expected in (
        ("spans", about.get("salient"), salient),
        ("weights", about.get("model_sha256"), own),
    ):
        if None not in (found, expected) and found != expected:
            raise TglError(
                f"{table}: measured on the {what} '{found[:12]}', expected '{expected[:12]}' as in the plan and "
                f"{profile}. Measure it with `tgl interference --salient` on the model that was profiled"
            )
    measured = {row["sublayer"]: row for row in read_table(table, "interference").to_pylist()}
    wanted = {row["sublayer"] for row in rows} - {*UNRANKED, "all"}
    if wanted != set(measured):
        strange = sorted(wanted ^ set(measured))
        raise TglError(
            f"{table}: its sublayers are not those of {profile}; these differ: {strange[:4]}. Measure it with the same "
            "model"
        )
    keys = ("uptake", "fisher")
    return [row | {key: measured.get(row["sublayer"], {}).get(key) for key in keys} for row in rows]


def plan_from(
    rows: Iterable[dict], method: str, settings: PlanConfig, *, seed: int, origin: str, model=None
) -> tuple[Plan, list[Unit]]:
    """Make a plan from rows of the table `profile`.

    Args:
        rows: The rows.
        method: The name of the plan.
        settings: Choices that the name leaves open.
        seed: Seed of random policies.
        origin: The name of the rows in error messages.
        model: The profiled model, for policies that measure it.

    Returns:
        The plan, and the units that it ranks.

    Raises:
        TglError: The rows lack a norm that the plan needs, or the model has different sublayers.
    """
    units = units_of(rows, method, settings, origin=origin)
    measure = POLICIES.get(parse_plan(method).policy).measure
    if model is not None and measure:
        ratios = measure(model, [unit.name for unit in units])
        if set(ratios) != {unit.name for unit in units}:
            strange = sorted(set(ratios) ^ {unit.name for unit in units})
            raise TglError(
                f"plan '{method}': the model's sublayers are not those of {origin}; these differ: {strange[:4]}. Give "
                "the model that was profiled"
            )
        units = [replace(unit, measured=ratios[unit.name]) for unit in units]
    return make_plan(method, units, settings, seed=seed), units


def units_of(rows: Iterable[dict], method: str, settings: PlanConfig, *, origin: str) -> list[Unit]:
    """Return the units for the policies from rows of the table `profile`.

    Args:
        rows: The rows.
        method: The name of the plan, which determines the relative norm.
        settings: Choices that the name leaves open.
        origin: The name of the rows in error messages.

    Raises:
        TglError: The relative norm is missing, or a sublayer has two.
    """
    salient, denominator = ranking(method, settings)
    units = [
        Unit(
            row["sublayer"],
            row["num_parameters"],
            row["relative_norm"],
            uptake=row.get("uptake"),
            fisher=row.get("fisher"),
        )
        for row in rows
        if (row["weights"], row["group"], row["denominator"]) == ("trained", salient, denominator)
        and row["sublayer"] not in (*UNRANKED, "all")
    ]
    names = [unit.name for unit in units]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TglError(
            f"{origin}: '{twice}' has two relative norms of '{salient}' over '{denominator}', expected one. The table "
            "mixes several profiles; give one of them"
        )
    if not units:
        raise TglError(
            f"{origin}: no relative norm of '{salient}' over '{denominator}', which the plan '{method}' needs. "
            "Choose groups of the profile with plan.salient and plan.denominator, or with the plan's name"
        )
    return units


def ranking(method: str, settings: PlanConfig) -> tuple[str, str]:
    """Return (salient group, denominator) of the plan's ranking, from its name or else from the settings."""
    name = parse_plan(method)
    return name.salient or settings.salient, name.denominator or settings.denominator


def describe(plan: Plan, units: list[Unit]) -> str:
    """Return the plan as a readable table: sublayer, parameters, relative norm and multiplier of each phase."""
    heads = ["multiplier", *(f"from {phase.start:.0%}" for phase in plan.later)]
    lines = [
        f"{'sublayer':<20}{'parameters':>12}{'relative norm':>15}" + "".join(f"{head:>12}" for head in heads)
    ]
    lines += [
        f"{unit.name:<20}{unit.num_parameters:>12,}{unit.relative_norm:>15.3f}"
        + "".join(f"{phase.multipliers[unit.name]:>12.3f}" for phase in plan.phases)
        for unit in units
    ]
    share = plan.trainable_parameters / plan.total_parameters
    lines.append(
        f"{plan.method}: {plan.trainable_parameters:,} of {plan.total_parameters:,} parameters of the sublayers "
        f"trained ({share:.0%}); embedding {'trained' if plan.embedding else 'frozen'}. {plan.note}"
    )
    return "\n".join(lines)
