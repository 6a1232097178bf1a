"""A run of the stage `train` on tiny inputs, as plain functions."""

import dataclasses

from tests.support.model_fixtures import (
    BLOCK,
    RANKED,
    VOCABULARY,
    plan_of,
    probe,
    settings_of,
    some_probes,
    tiny_model,
    tiny_tokenizer,
    write_probes,
    write_tokens,
)
from tgl.core.tables.write import write_table
from tgl.core.vocabulary import RUN_TABLES
from tgl.models.checkpoint import save_model
from tgl.models.sublayers import sublayers
from tgl.plans.plan import save_plan
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import write_plan
from tgl.profiling.settings import ProfileConfig
from tgl.text.settings import TokensConfig
from tgl.train.continual import train_periods
from tgl.train.engines.plain import PlainEngine
from tgl.train.run import Run, Settings

PERIODS = ("20200101", "20210101")
# A profile by hand, so that plans from it are known: it stands far from what the models measure.
FIRST = dict(zip(RANKED, (1.0, 2.0, 4.0, 1.0), strict=True))
SETTINGS = Settings(
    train=settings_of(steps=5),
    tokens=TokensConfig(vocab_size=VOCABULARY, block_size=BLOCK),
    profile=ProfileConfig(examples=3, bootstrap=100),
    plan=PlanConfig(),
)


def with_profile(settings=SETTINGS, **changes):
    """Return settings with other keys in the section `profile`."""
    return dataclasses.replace(settings, profile=settings.profile.model_copy(update=changes))


def profile_row(sublayer, relative_norm, **changes):
    """Return a row of the table `profile` with an interval of its own."""
    row = {
        "weights": "trained", "group": "updated", "denominator": "window", "sublayer": sublayer,
        "block": -1 if sublayer == "all" else int(sublayer[5:7]), "part": sublayer.split(".")[-1],
        "num_parameters": 100, "num_examples": 3, "num_denominator_examples": 3, "mean_norm": 1.0,
        "norm_of_mean": 1.0, "relative_norm": relative_norm, "low": relative_norm / 2,
        "high": relative_norm * 2, "above_mean": 0.5,
    }  # fmt: skip
    return row | changes


def answer_of(row):
    return row["text"][row["span_start"] : row["span_end"]]


def kept(row):
    return {key: row[key] for key in ("kind", "period", "split", "subject")}


def write_inputs(folder):
    """Write base model, texts, probes, profile and plans (plan.json by hand, METHOD.json from the profile)."""
    model = tiny_model(seed=11)
    save_model(model, tiny_tokenizer(), folder / "base")
    write_tokens(folder / "base.parquet")
    for number, period in enumerate(PERIODS):
        write_tokens(folder / f"{period}.parquet", first=6 + 6 * number, held_out=3 + number)
    # Each period asks other questions, so that the profile of one is not that of the other.
    later = [
        probe(
            row["id"],
            row["text"].replace("lives in", "works for Acme and likes"),
            answer_of(row),
            **kept(row),
        )
        if row["period"] == PERIODS[1]
        else row
        for row in some_probes()
    ]
    write_probes(folder / "probes.parquet", later)
    sizes = {unit.name: unit.num_parameters for unit in sublayers(model)}
    rows = [profile_row(name, value, num_parameters=sizes[name]) for name, value in FIRST.items()]
    rows.append(profile_row("all", 2.0))
    # Rows that a plan must not be made from point at other sublayers.
    for other in ({"weights": "random"}, {"group": "unchanged"}, {"denominator": "matched_span"}):
        rows += [profile_row(name, 9 - value, **other) for name, value in FIRST.items()]
    write_table(rows, folder / "profile.parquet", "profile")
    save_plan(plan_of([0.0, 1.5, 0.5, 0.0]), folder / "plan.json")
    for method in ("full", "tgl_fp", "tgl_alr"):
        write_plan(
            folder / "profile.parquet", method, folder / f"{method}.json", settings=PlanConfig(), seed=2
        )
    return folder


def run_of(inputs, output, **changes):
    run = Run(
        base_model=inputs / "base",
        base_tokens=inputs / "base.parquet",
        tokens={period: inputs / f"{period}.parquet" for period in PERIODS},
        probes=inputs / "probes.parquet",
        profile=inputs / "profile.parquet",
        plan=inputs / "plan.json",
        baseline="plain",
        models={period: output / "models" / period for period in PERIODS},
        tables={name: output / f"{name}.parquet" for name in RUN_TABLES},
        state=output / "state",
        learning_rate=0.01,
        seed=2,
        settings=SETTINGS,
    )
    return dataclasses.replace(run, **changes)


def go(run, settings=None):
    """Finish a run, with other settings where they are given, and return what it says."""
    said = []
    train_periods(run if settings is None else dataclasses.replace(run, settings=settings), said.append)
    return said


def contents(run):
    """Return the bytes of every file that the run declares."""
    files = [run.models[period] / "model.safetensors" for period in PERIODS] + list(run.tables.values())
    return [file.read_bytes() for file in files]


def killing(monkeypatch, call):
    """Make the plain engine's step number `call`, counted over all periods, raise."""
    calls, step = iter(range(10**6)), PlainEngine.step

    def counted(self, *given):
        if next(calls) == call:
            raise KeyboardInterrupt
        return step(self, *given)

    monkeypatch.setattr(PlainEngine, "step", counted)
