"""The groups of examples that a profile compares: salient spans by kind of knowledge, plain text, and controls.

- `updated`, `new_entity`, `unchanged`: salient spans of the validation split.
- `window`: windows of plain text, the paper's denominator.
- For each salient kind (`updated`, `new_entity`), controls that are paired one to one with its examples:
  `shuffled.KIND`: the same probe with another answer of its relation;
  `matched_span.KIND`: plain text with the same numbers of target and context tokens;
  `frequency_matched.KIND`: as `matched_span`, but whole words that are about as frequent in the text as the targets;
  `capitalised.KIND`: as `matched_span`, but capitalised words that do not begin a sentence.
"""

from __future__ import annotations

import random
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.core.tables.read import check_unique
from tgl.core.vocabulary import PROBE_KINDS, PROFILED_KINDS, SALIENT_KINDS, SPLITS, VALIDATION
from tgl.evaluate.spans import SpanError, SpanTokens, span_tokens
from tgl.profiling.plain_text import PlainText
from tgl.profiling.settings import ProfileConfig


@dataclass(frozen=True)
class Group:
    """The examples of one group. `pairs` holds the probe of each example, also of a control; empty for windows."""

    examples: list[SpanTokens]
    pairs: list[str]


@dataclass
class Groups:
    """All groups by name, the ids of probes that were left out, by group and reason, and other counts."""

    groups: dict[str, Group] = field(default_factory=dict)
    left_out: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, members: Sequence[tuple[str, SpanTokens]]) -> None:
        """Add a group of (probe id, example). A single example is left out."""
        if len(members) >= 2:
            self.groups[name] = Group(
                [example for _, example in members], [identity for identity, _ in members]
            )
        for identity, _ in members[:1] if len(members) < 2 else []:
            self.leave_out(name, "the only one of its group", identity)

    def leave_out(self, name: str, reason: str, identity: str) -> None:
        """Record that a probe is left out of a group."""
        self.left_out.setdefault(name, {}).setdefault(reason, []).append(identity)

    def count(self, name: str, reason: str, number: int) -> None:
        """Record how often something happened that is not about one probe."""
        if number:
            self.others[f"{name}: {reason}"] = number

    def lines(self) -> list[str]:
        """Return a log line for each group and reason with left-out probes."""
        return [
            f"left out of {group}, {reason}: {len(ids)}: {', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}"
            for group, reasons in self.left_out.items()
            for reason, ids in reasons.items()
        ] + [f"{what}: {number}" for what, number in self.others.items()]

    def lengths(self) -> list[tuple[int, int]]:
        """Return the number of tokens and of target tokens of each example of every group."""
        return [(len(e.ids), e.num_targets) for group in self.groups.values() for e in group.examples]

    def counts(self) -> dict[str, int]:
        """Return the number of examples by group, and of left-out probes by group and reason."""
        found = {f"{name}: examples": len(group.examples) for name, group in self.groups.items()}
        for name, reasons in self.left_out.items():
            found |= {f"{name}: {reason}": len(ids) for reason, ids in reasons.items()}
        return found | self.others


def make_groups(
    probes: Sequence[dict],
    stream: np.ndarray,
    tokenizer: PreTrainedTokenizerBase,
    *,
    period: str | None,
    settings: ProfileConfig,
    length: int,
) -> Groups:
    """Return the examples of every group.

    A kind with fewer than two usable validation probes is left out. Probes that cannot be used are recorded with the
    reason.

    Args:
        probes: The probes.
        stream: Tokens of plain text [num_tokens].
        tokenizer: The tokenizer.
        period: The period whose probes to use. None: all.
        settings: The section `profile` of the configuration.
        length: The model's number of positions.

    Raises:
        TglError: No kind has usable probes, or an id occurs twice.
    """
    found, seed = Groups(), settings.seed
    if period is not None:
        warn_of_period(probes, period)
    for kind in set(PROBE_KINDS) - set(PROFILED_KINDS):
        found.count("probes not profiled", f"kind {kind}", sum(probe["kind"] == kind for probe in probes))
    for split in SPLITS:
        if split != VALIDATION:
            found.count(
                "probes not profiled", f"split {split}", sum(probe["split"] == split for probe in probes)
            )
    for kind in PROFILED_KINDS:
        chosen = choose(probes, kind, period, most=settings.examples, seed=seed)
        found.add(kind, _usable(kind, chosen, tokenizer, length=length, found=found))
    if not found.groups:
        raise TglError(
            "profile: no kind of probe has two usable examples in the validation split"
            f"{f' of period {period}' if period else ''}; found {dict(Counter(p['kind'] for p in probes))} probes "
            f"in all, kinds expected {PROFILED_KINDS}, left out {found.counts() or 'none'}. Give more probes or raise "
            "probes.validation_share"
        )
    text = PlainText(stream, tokenizer)
    size = min(settings.window_tokens, length)
    if len(stream) < size - 1:
        found.leave_out(
            "window", f"text shorter than a window of {size} tokens, taken whole", f"{len(stream)} tokens"
        )
    elif (room := len(stream) // (size - 1)) < settings.examples:
        reason = f"the text has room for {room} windows of {size} tokens, so they overlap and their interval is narrow"
        found.count("window", reason, settings.examples - room)
    windows = text.windows(size, settings.examples, seed)
    found.groups["window"] = Group(windows, [])
    check_unique((probe["id"] for probe in probes), "profile: probes")
    by_id = {probe["id"]: probe for probe in probes}
    for kind in [kind for kind in SALIENT_KINDS if kind in found.groups]:
        own = found.groups[kind]
        name = f"shuffled.{kind}"
        swapped = shuffled_answers([by_id[identity] for identity in own.pairs], probes, seed)
        for identity in sorted(set(own.pairs) - {probe["id"] for probe in swapped}):
            found.leave_out(name, "no other answer in the relation", identity)
        found.add(name, _usable(name, swapped, tokenizer, length=length, found=found))
        for control, draw in (
            ("matched_span", text.matched),
            ("frequency_matched", text.frequency_matched),
            ("capitalised", text.capitalised),
        ):
            name, drawn = f"{control}.{kind}", list(zip(own.pairs, draw(own.examples, seed), strict=True))
            for identity in [identity for identity, example in drawn if example is None]:
                found.leave_out(name, "no such stretch of as many tokens", identity)
            found.add(name, [(identity, example) for identity, example in drawn if example is not None])
    return found


def of_two_lengths(
    finite: Sequence[SpanTokens], groups: Groups, usable: Callable[[list[SpanTokens]], bool]
) -> list[SpanTokens]:
    """Return the shortest and the longest example; if both have one length, a usable one of another group instead."""
    short, long = (extreme(finite, key=lambda example: len(example.ids)) for extreme in (min, max))
    if len(short.ids) == len(long.ids):
        every = (example for group in groups.groups.values() for example in group.examples)
        others = sorted((e for e in every if len(e.ids) != len(short.ids)), key=lambda e: len(e.ids))
        long = next((example for example in others if usable([short, example])), long)
    return [short, long]


def warn_of_period(probes: Sequence[dict], period: str) -> None:
    """Warn if no validation probe is of a period, so that `choose` takes those of another one."""
    periods = sorted({probe["period"] for probe in probes if probe["split"] == VALIDATION})
    if periods and period not in periods:
        warnings.warn(
            f"profile: no validation probe of period {period}; each kind uses those of its earliest period. Found the "
            f"periods {', '.join(periods)}",
            stacklevel=3,
        )


def choose(probes: Sequence[dict], kind: str, period: str | None, *, most: int, seed: int) -> list[dict]:
    """Return a random sample of the validation probes of a kind.

    Args:
        probes: All probes.
        kind: The kind of probe.
        period: The period. If it has no probes of this kind, the function uses the earliest period that has. None: all.
        most: Largest number of probes.
        seed: Seed of the sample and its order.
    """
    of_kind = [probe for probe in probes if probe["kind"] == kind and probe["split"] == "validation"]
    periods = {probe["period"] for probe in of_kind}
    if period is not None and periods:
        period = period if period in periods else min(periods)
        of_kind = [probe for probe in of_kind if probe["period"] == period]
    found = sorted(of_kind, key=lambda probe: probe["id"])
    return random.Random(f"profile:{seed}:{kind}").sample(found, min(most, len(found)))


def shuffled_answers(chosen: Sequence[dict], probes: Sequence[dict], seed: int) -> list[dict]:
    """Return the chosen probes with wrong answers, taken from other probes of the same relation.

    Probes whose relation has no other answer are left out.
    """
    rng = random.Random(f"shuffled:{seed}")
    right: dict[str, set[str]] = defaultdict(set)
    by_relation: dict[str, set[str]] = defaultdict(set)
    for probe in probes:
        answer = probe["text"][probe["span_start"] : probe["span_end"]]
        right[probe["answer_group"]].add(answer)
        by_relation[probe["relation"]].update([answer, *probe["candidates"]])
    swapped = []
    for probe in chosen:
        others = sorted(by_relation[probe["relation"]] - right[probe["answer_group"]])
        if not others:
            continue
        start, end, answer = probe["span_start"], probe["span_end"], rng.choice(others)
        text = probe["text"][:start] + answer + probe["text"][end:]
        swapped.append({**probe, "text": text, "span_end": start + len(answer)})
    return swapped


def _usable(
    group: str, probes: Sequence[dict], tokenizer: PreTrainedTokenizerBase, *, length: int, found: Groups
) -> list[tuple[str, SpanTokens]]:
    """Return (probe id, tokens) of the probes that can be scored; record the others with the reason."""
    kept = []
    for probe in probes:
        try:
            example = span_tokens(
                tokenizer, probe["text"], (probe["span_start"], probe["span_end"]), max_length=length
            )
        except SpanError as error:
            found.leave_out(group, error.reason, probe["id"])
        else:
            kept.append((probe["id"], example))
    found.count(group, f"contexts cut to {length} tokens", sum(example.cut for _, example in kept))
    return kept
