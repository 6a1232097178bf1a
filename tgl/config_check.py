"""Turn a mapping into a `Config`, or say everything that is wrong with it at once."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tgl.config import Config
from tgl.config_types import Section, url_problem
from tgl.errors import TglError, nearest
from tgl.files import check_file
from tgl.json_text import check_values, parse_json
from tgl.plans.names import parse_method, parse_plan
from tgl.wiki.years import years_between

_DATE_FIELDS = {"date", "year", "month", "day"}
# Of a whole configuration; the largest preset has a few hundred.
_MOST_VALUES = 20_000

AnySection = TypeVar("AnySection", bound=Section)


def load_config(source: str | Path | Mapping) -> Config:
    """Return the typed configuration of a YAML file or a mapping.

    Raises TglError listing every unknown key (with the nearest right one), wrong type and impossible
    combination, each by its key.
    """
    if isinstance(source, Mapping):
        return check(dict(source))
    return check(_read_yaml(Path(source)), origin=str(source))


def load_section(kind: type[AnySection], text: str, option: str = "--config") -> AnySection:
    """Return one section from JSON text, as a rule hands it to its stage by `option`. Raises TglError as above."""
    try:
        raw = parse_json(text)
    except ValueError as error:
        raise TglError(f"{option}: not JSON ({error}); found {text[:80]!r}") from None
    if not isinstance(raw, dict):
        raise TglError(f"{option}: a JSON object expected, found {text[:80]!r}")
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise TglError(_message(option, _field_problems(kind, error))) from None


def check(raw: dict, origin: str = "configuration") -> Config:
    """Validate `raw`; see `load_config`."""
    problems: list[str] = []
    try:
        check_values(raw, _MOST_VALUES)
    except ValueError as error:
        raise TglError(f"{origin}: {error}; no configuration") from None
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems = _field_problems(Config, error)
        # What is left after the faulty keys may still hold impossible combinations: say those as well.
        config = _without_faulty_keys(raw, error)
    if config is not None:
        problems += combination_problems(config)
    if problems or config is None:
        raise TglError(_message(origin, problems))
    return config


def combination_problems(config: Config) -> Iterator[str]:
    """Yield what is wrong with keys that are each right alone."""
    dates = config.snapshots.dates
    if any(later <= earlier for earlier, later in zip(dates, dates[1:], strict=False)):
        yield f"snapshots.dates: {dates} must rise from one date to the next"
    source, sets = config.snapshots.source, config.probes.sets
    if source == "synthetic":
        yearly = config.snapshots.synthetic.updated_share
        for earlier, later in zip(dates, dates[1:], strict=False):
            if (share := yearly * years_between(earlier, later)) > 1:
                yield (
                    f"snapshots.synthetic.updated_share: {yearly} a year is {share:.2f} of the facts from {earlier} to "
                    f"{later}, expected at most 1, as a fact changes at most once between two dates; lower it, or add "
                    "dates between"
                )
    if "world" in sets and source != "synthetic":
        yield (
            f"probes.sets: 'world' needs snapshots.source 'synthetic', found '{source}'; "
            "use 'templama', 'ecbd', 'wikidata' or 'snapshots'"
        )
    if "snapshots" in sets and config.text.diff_rule != "tgl":
        yield (
            f"text.diff_rule: probes.sets has 'snapshots', which asks for whole sentences; expected 'tgl', found "
            f"'{config.text.diff_rule}'"
        )
    if "snapshots" in sets and config.text.base != "first_snapshot":
        yield (
            "text.base: probes.sets has 'snapshots', whose unchanged values must have been learnt from the first "
            f"snapshot; expected 'first_snapshot', found '{config.text.base}'"
        )
    if source == "local":
        fields = set(re.findall(r"{(.*?)}", config.snapshots.local.pattern))
        if not ("date" in fields or fields == {"year", "month", "day"}) or fields - _DATE_FIELDS:
            yield (
                f"snapshots.local.pattern: '{config.snapshots.local.pattern}' must hold {{date}}, or {{year}}, "
                "{month} and {day}, and no other field"
            )
        elif not _can_be_filled(config.snapshots.local.pattern):
            yield f"snapshots.local.pattern: '{config.snapshots.local.pattern}' has a brace without its partner"
    if source == "wikimedia" and not config.snapshots.wikimedia.contact:
        yield (
            "snapshots.wikimedia.contact: required for source 'wikimedia': an e-mail address or URL, "
            "sent in the User-Agent"
        )
    contact = config.snapshots.wikimedia.contact or ""
    if not (contact.isascii() and contact.isprintable()):
        yield f"snapshots.wikimedia.contact: {contact!r} must be one line of ASCII, as a header of HTTP is"
    if problem := url_problem(config.snapshots.wikimedia.base_url):
        yield f"snapshots.wikimedia.base_url: {problem}"
    if config.text.base == "json_lines" and not config.text.json_lines:
        yield "text.json_lines: required when text.base is 'json_lines': a file of lines {id, title, text}"
    if "templama" in sets:
        if not config.probes.templama.file or not config.probes.templama.pairs:
            yield "probes.templama: file and pairs are required when probes.sets has 'templama'"
        for period in config.probes.templama.pairs:
            if period not in config.periods:
                yield f"probes.templama.pairs: '{period}' is none of the periods {config.periods}"
    if "ecbd" in sets:
        if not config.probes.ecbd.files:
            yield "probes.ecbd.files: required when probes.sets has 'ecbd'"
        if config.probes.ecbd.period not in config.periods:
            yield f"probes.ecbd.period: '{config.probes.ecbd.period}' is none of the periods {config.periods}"
    if "wikidata" in sets and not config.probes.wikidata.file:
        yield (
            "probes.wikidata.file: required when probes.sets has 'wikidata': an entity dump, or the answer of a SPARQL "
            "service"
        )
    if config.probes.validation_share + config.probes.test_share > 1:
        yield "probes.validation_share + probes.test_share: more than 1"
    if config.model.load is None:
        if config.model.hidden_size % config.model.heads:
            yield (
                f"model.hidden_size: {config.model.hidden_size} is no multiple of model.heads "
                f"{config.model.heads}"
            )
        if config.model.pretrain.steps == 0:
            yield "model.pretrain.steps: 0 with model.load null would leave random weights"
    elif config.tokens.tokenizer is None:
        yield f"tokens.tokenizer: a loaded model needs its own tokenizer; set it to '{config.model.load}'"
    for key, part in (("model.pretrain", config.model.pretrain), ("train", config.train)):
        if part.micro_batch_size and part.batch_size % part.micro_batch_size:
            yield (
                f"{key}.micro_batch_size: {part.micro_batch_size} does not divide {key}.batch_size {part.batch_size}; "
                "expected a divisor"
            )
    if config.train.offload and (config.train.engine == "plain" or config.train.zero_stage == 0):
        yield (
            "train.offload: DeepSpeed's ZeRO keeps the optimiser on the CPU; set train.engine to 'deepspeed' or 'auto' "
            "and train.zero_stage to 1 or 2"
        )
    keep = config.model.pretrain.keep
    if keep != sorted(set(keep)):
        yield f"model.pretrain.keep: {keep} must rise from one step to the next; [] keeps nothing"
    if "full" not in config.methods:
        yield "methods: 'full' is required, the differences in the report are taken against it"
    borrowed = [plan for plan in config.plans if parse_plan(plan).borrowed]
    if borrowed and config.plan.borrow is None:
        yield f"plan.borrow: required by {', '.join(borrowed)}: the results folder of another experiment"
    if borrowed and config.profile.periods == "each":
        yield f"profile.periods: 'each' makes plans anew, and {', '.join(borrowed)} rest on another experiment's"
    meanings: dict[object, str] = {}
    for method in dict.fromkeys(config.methods):
        plan, baseline = parse_method(method)
        same = meanings.setdefault((parse_plan(plan), baseline), method)
        if same != method:
            yield f"methods: '{same}' and '{method}' mean the same"
    for key, values in (
        ("seeds", config.seeds),
        ("methods", config.methods),
        ("train.learning_rates", config.train.learning_rates),
        ("probes.sets", config.probes.sets),
    ):
        if len(set(values)) < len(values):
            yield f"{key}: {values} holds a value twice"


def _can_be_filled(pattern: str) -> bool:
    """Tell whether a pattern's fields can be put in."""
    try:
        pattern.format(**dict.fromkeys(_DATE_FIELDS, ""))
    except (ValueError, LookupError):
        return False
    return True


def _read_yaml(path: Path) -> dict:
    check_file(path, "a YAML configuration")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise TglError(f"{path}: nested too deeply; no configuration") from None
    # PyYAML's own errors, and what values with a tag or impossible dates raise beside them
    except (yaml.YAMLError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TglError(f"{path}: not YAML ({error})") from None
    if not isinstance(raw, dict):
        raise TglError(f"{path}: a mapping of keys expected, found {type(raw).__name__}")
    return raw


def _field_problems(kind: type[BaseModel], error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            section = _section_at(kind, item["loc"][:-1])
            known = list(section.model_fields) if section else []
            wrong = str(item["loc"][-1])
            hint = nearest(wrong, known) or f"; known keys: {', '.join(known)}"
            problems.append(f"{key}: unknown key{hint}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            hint = ""
            if item["type"] == "literal_error":
                hint = nearest(str(item["input"]), _quoted(item["msg"]))
            problems.append(f"{key}: {message}, found {_shown(item['input'])}{hint}")
    return problems


def _shown(value: object) -> str:
    """Return what a value looks like, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "..."


def _quoted(message: str) -> list[str]:
    """Return the words between single quotes."""
    return message.split("'")[1::2]


def _section_at(kind: type[BaseModel], loc: tuple) -> type[BaseModel] | None:
    for part in loc:
        found = kind.model_fields.get(part) if isinstance(part, str) else None
        if found is None or not isinstance(found.annotation, type):
            return None
        kind = found.annotation
    return kind if issubclass(kind, BaseModel) else None


def _without_faulty_keys(raw: dict, error: ValidationError) -> Config | None:
    rest = copy.deepcopy(raw)
    for item in error.errors():
        keys = [part for part in item["loc"] if isinstance(part, str)]
        parent = rest
        for key in keys[:-1]:
            parent = parent.get(key) if isinstance(parent, dict) else None
        if isinstance(parent, dict) and keys:
            parent.pop(keys[-1], None)
    try:
        return Config.model_validate(rest)
    except ValidationError:
        return None


def _message(origin: str, problems: list[str]) -> str:
    plural = "problem" if len(problems) == 1 else "problems"
    return f"{origin}: {len(problems)} {plural}\n" + "\n".join(f"  - {problem}" for problem in problems)
