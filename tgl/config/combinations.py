"""Find problems between keys of different sections that are each valid alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tgl.config.root import Config
from tgl.core.config_types import contact_problem, twice, url_problem
from tgl.core.errors import TglError
from tgl.core.registered import settings_of
from tgl.core.years import years_between
from tgl.plans.names import parse_plan, plan_id
from tgl.plans.policy import POLICIES
from tgl.snapshots.settings import COUNTERFACTUAL_FILES
from tgl.snapshots.source import SOURCES
from tgl.train.baseline import make_baseline
from tgl.train.methods import baseline_settings, parse_method, split_baseline

# Articles per fact in the synthetic world, and the fewest examples of a kind that a profile needs.
ARTICLES_A_FACT, FEWEST_PROBES = 3, 2
_DATE_FIELDS = {"date", "year", "month", "day"}


def combination_problems(config: Config) -> Iterator[str]:
    """Yield every problem. Each begins with the key to change."""
    yield from _snapshot_problems(config)
    yield from _probe_problems(config)
    yield from _model_problems(config)
    yield from _unit_problems(config)
    yield from _method_problems(config)


def _snapshot_problems(config: Config) -> Iterator[str]:
    dates, source = config.snapshots.dates, config.snapshots.source
    try:
        settings_of(SOURCES, config.snapshots, source)
    except TglError as error:  # another package's, which cannot be imported or lacks a required key
        yield f"snapshots.source: {error}"
    if source == "synthetic":
        yearly = config.snapshots.synthetic.updated_share
        for earlier, later in zip(dates, dates[1:], strict=False):
            if (share := yearly * years_between(earlier, later)) > 1:
                yield (
                    f"snapshots.synthetic.updated_share: {yearly} a year is {share:.2f} of the facts from {earlier} to "
                    f"{later}, expected at most 1, because a fact changes at most once between two dates; lower it, or "
                    "add dates in between"
                )
    if source == "counterfactual":
        yield from _counterfactual_problems(config)
    if source == "documents":
        yield from _documents_problems(config)
    if source == "local":
        yield from _pattern_problems(config.snapshots.local.pattern)
    contact = config.snapshots.wikimedia.contact
    if (source == "wikimedia" or contact is not None) and (problem := contact_problem(contact)):
        yield f"snapshots.wikimedia.contact: {problem}"
    if problem := url_problem(config.snapshots.wikimedia.base_url):
        yield f"snapshots.wikimedia.base_url: {problem}"


def _counterfactual_problems(config: Config) -> Iterator[str]:
    own = config.snapshots.counterfactual
    for key in COUNTERFACTUAL_FILES:
        if getattr(own, key) is None:
            yield f"snapshots.counterfactual.{key}: required when snapshots.source is 'counterfactual': a file"
    if len(config.snapshots.dates) != 2:
        yield f"snapshots.dates: found {len(config.snapshots.dates)}, but source 'counterfactual' has two dates"
    if config.pages.shards != 1:
        yield f"pages.shards: found {config.pages.shards}, but source 'counterfactual' has one shard"


def _documents_problems(config: Config) -> Iterator[str]:
    own, dates = config.snapshots.documents, config.snapshots.dates
    key = "snapshots.documents.collections"
    for date in own.collections:
        if date not in dates:
            yield f"{key}: '{date}' is none of snapshots.dates {dates}; correct it, or add the date"
    missing = [date for date in dates if date not in own.collections]
    if missing and own.repository is None:
        yield f"{key}: no collection for {', '.join(missing)}; expected one for each date. Add {missing[0]}: PATH"
    if config.pages.shards != 1:
        yield f"pages.shards: found {config.pages.shards}, but source 'documents' has one shard"


def _pattern_problems(pattern: str) -> Iterator[str]:
    key = "snapshots.local.pattern"
    fields = set(re.findall(r"{(.*?)}", pattern))
    if not ("date" in fields or {"year", "month", "day"} <= fields) or fields - _DATE_FIELDS:
        yield f"{key}: '{pattern}' must hold {{date}}, or {{year}}, {{month}} and {{day}}, and no other field"
    elif set(re.sub(r"{(date|year|month|day)}", "", pattern)) & set("{}"):
        yield f"{key}: '{pattern}' has a single brace; expected braces only around its fields"


def _probe_problems(config: Config) -> Iterator[str]:
    sets = config.probes.sets
    if "world" in sets and config.snapshots.source == "synthetic":
        yield from _world_problems(config)
    if "world" in sets and config.snapshots.source != "synthetic":
        yield (
            f"probes.sets: 'world' needs snapshots.source 'synthetic', found '{config.snapshots.source}'; "
            "use 'json_lines', 'templama', 'ecbd', 'wikidata' or 'snapshots'"
        )
    if "counterfactual" in sets and config.snapshots.source != "counterfactual":
        yield (
            f"probes.sets: 'counterfactual' needs snapshots.source 'counterfactual', found '{config.snapshots.source}'"
        )
    if "snapshots" in sets and config.text.diff_rule != "tgl":
        yield (
            f"text.diff_rule: probes.sets has 'snapshots', which needs whole sentences; expected 'tgl', found "
            f"'{config.text.diff_rule}'"
        )
    if "snapshots" in sets:
        yield from _pipeline_problems(config.probes.snapshots.pipeline, config.text.language)
    if "snapshots" in sets and config.text.base != "first_snapshot":
        yield (
            "text.base: probes.sets has 'snapshots', whose unchanged values must have been learnt from the first "
            f"snapshot; expected 'first_snapshot', found '{config.text.base}'"
        )
    if "templama" in sets:
        for period in config.probes.templama.pairs:
            if period not in config.periods:
                yield f"probes.templama.pairs: '{period}' is none of the periods {config.periods}"
    if "ecbd" in sets and config.probes.ecbd.period not in config.periods:
        yield f"probes.ecbd.period: '{config.probes.ecbd.period}' is none of the periods {config.periods}"
    # The section itself cannot check this, because a stage that reads no file gets the section without it.
    if "wikidata" in sets and not config.probes.wikidata.file:
        yield (
            "probes.wikidata.file: required when probes.sets has 'wikidata': an entity dump, or the answer of a SPARQL "
            "service"
        )
    if config.text.base == "json_lines" and not config.text.json_lines:
        yield "text.json_lines: required when text.base is 'json_lines': a file of documents {id, title, text}"


def _world_problems(config: Config) -> Iterator[str]:
    """Yield a problem for each kind of probe that a plan needs and of which the synthetic world has too few."""
    world, (first, period) = config.snapshots.synthetic, config.snapshots.dates[:2]
    shares = {"updated": world.updated_share, "new_entity": world.new_share}
    for kind in sorted({parse_plan(plan).salient or config.plan.salient for plan in config.plans}):
        subjects = world.pages / ARTICLES_A_FACT * shares[kind] * years_between(first, period)
        if (found := subjects * config.probes.validation_share) < FEWEST_PROBES:
            yield (
                f"probes.validation_share: leaves about {found:.1f} probes of kind '{kind}' in the period {period}, "
                f"expected at least {FEWEST_PROBES}; raise it, or pages or the shares of snapshots.synthetic"
            )


def _model_problems(config: Config) -> Iterator[str]:
    if config.model.load is None:
        return
    if config.tokens.tokenizer is None:
        yield f"tokens.tokenizer: a loaded model needs its own tokenizer; set it to '{config.model.load}'"
    if "learning_rates" not in config.train.model_fields_set:
        yield (
            f"train.learning_rates: not set, but the default is for a small model from scratch, not for the loaded "
            f"'{config.model.load}'; set the rates, such as [0.00005, 0.0001]"
        )


def _unit_problems(config: Config) -> Iterator[str]:
    if config.profile.unit == "head":
        yield (
            "profile.unit: attention heads cannot be frozen one by one, so plans need 'sublayer' or 'module'; "
            "`tgl profile --unit head` measures heads"
        )
    if config.profile.unit == "module" and config.agree.facts:
        yield "agree.facts: causal tracing compares sublayers, but profile.unit is 'module'; set it to 0"


def _pipeline_problems(pipeline: str, language: str) -> Iterator[str]:
    """Yield a problem if spaCy's pipeline is for another language. Only the names of spaCy's own ones tell it."""
    named = re.match(r"([a-z]{2,3})_core_", pipeline)
    wanted = {"simple": "en", "no": "nb"}.get(language, language.partition("-")[0])
    if named and named[1] != wanted and not Path(pipeline).exists():
        yield (
            f"probes.snapshots.pipeline: '{pipeline}' is for the language '{named[1]}', but text.language is "
            f"'{language}'; choose a pipeline of this language, or remove 'snapshots' from probes.sets"
        )


def _method_problems(config: Config) -> Iterator[str]:
    if "full" not in config.methods:
        yield "methods: 'full' is required, because the report compares the other methods with it; add it"
    by_hand = [plan for plan in config.plans if parse_plan(plan).file is not None]
    names = [plan_id(plan) for plan in config.plans]
    for plan in by_hand:
        if names.count(plan_id(plan)) > 1:
            yield f"methods: '{plan}' and another plan both become '{plan_id(plan)}'; rename one of the files"
    if by_hand and config.profile.periods == "each":
        yield f"profile.periods: 'each' cannot make {', '.join(by_hand)} again, written by hand; set it to 'first'"
    interfering = [plan for plan in config.plans if _interferes(plan)]
    if interfering and config.profile.periods == "each":
        yield f"profile.periods: 'each' cannot make {', '.join(interfering)} again; set it to 'first'"
    borrowed = [plan for plan in config.plans if parse_plan(plan).borrowed]
    if borrowed and config.plan.borrow is None:
        yield f"plan.borrow: required by {', '.join(borrowed)}: the results folder of another experiment"
    if borrowed and config.profile.periods == "each":
        yield (
            f"profile.periods: 'each' cannot make {', '.join(borrowed)} again, which use another experiment's profile; "
            "set it to 'first'"
        )
    meanings: dict[object, str] = {}
    for method in dict.fromkeys(config.methods):
        plan, baseline = parse_method(method)
        same = meanings.setdefault((parse_plan(plan), baseline), method)
        if same != method:
            yield f"methods: '{same}' and '{method}' mean the same; remove one of them"
        yield from (f"methods: '{method}' {problem}" for problem in _baseline_problems(config, method))
    for method, reference in config.report.comparisons:
        for name in (method, reference):
            if name not in config.methods:
                yield f"report.comparisons: '{name}' is none of the methods; remove it, or add it to methods"
        if method == reference:
            yield f"report.comparisons: '{method}' is compared with itself; remove it"
    if not config.train.keep_models and config.agree.facts:
        yield "train.keep_models: false, but the comparison with tracing needs a checkpoint; set agree.facts to 0"
    for method in config.train.method_rates:
        if method not in config.methods:
            yield f"train.method_rates: '{method}' is none of the methods; remove it, or add it to methods"
    for method in config.report.tried_rates:
        if method not in config.methods:
            yield f"report.tried_rates: '{method}' is none of the methods; remove it, or add it to methods"
    yield from twice("seeds", config.seeds)
    yield from twice("methods", config.methods)


def _interferes(plan: str) -> bool:
    name = parse_plan(plan)
    return name.file is None and POLICIES.get(name.policy).interferes


def _baseline_problems(config: Config, method: str) -> Iterator[str]:
    """Yield the reasons, independent of the profile, why the model or the baseline does not support a plan."""
    plan, baseline = parse_method(method)
    name, rates = parse_plan(plan), config.rates_of(method)
    scratch = config.model if config.model.load is None else None
    by_sublayer = config.profile.unit == "sublayer"
    if scratch and by_sublayer and name.number is not None and name.number >= scratch.num_sublayers:
        yield f"names a sublayer that is not there; the model has {scratch.num_sublayers}, numbered from 0"
    embedding = name.embedding or config.plan.embedding
    try:
        settings = baseline_settings(config.baselines, baseline)
    except TglError as error:
        yield f"cannot be used: {error}"
        return
    found = make_baseline(split_baseline(baseline)[0], settings)
    if config.train.checkpointing and not found.recomputes:
        yield "reads activations in the forward pass, which train.checkpointing runs twice; set it to false"
    if config.train.compile and not found.recomputes:
        yield "reads activations in the forward pass with hooks, which train.compile leaves out; set it to false"
    if config.train.zero_stage == 3 and not found.partitions:
        yield "reads or changes whole weights, which no process has with train.zero_stage 3; set it to 0, 1 or 2"
    if not by_sublayer and not found.by_matrix:
        yield "changes whole sublayers, but profile.unit is 'module'; set it to 'sublayer'"
    if name.file is not None:
        return  # Only the file defines the plan, so `Baseline.check` checks it later.
    yield from found.problems(name, embedding=embedding, model=config.model, rates=rates)
