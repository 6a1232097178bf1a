"""Define the configuration of probes: the sets, their splits and the source of each set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from tgl.core.config_types import (
    DataPath,
    Date,
    FilePath,
    Flag,
    Integer,
    Language,
    Name,
    Number,
    Positive,
    Section,
    Seed,
    twice,
)
from tgl.core.registered import name_in, with_others
from tgl.probes.probe_set import PROBE_SETS


class TemplamaConfig(Section):
    """Probes of TempLAMA or Dynamic TempLAMA."""

    file: FilePath | None = Field(
        None,
        description="TempLAMA or Dynamic TempLAMA: JSON list or lines, plain, .gz, .bz2 or .xz. null: none.",
    )
    pairs: dict[Date, Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        {},
        description="For each period its two dates, written as in the file: {period: [earlier date, later date]}.",
    )

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        for period, (earlier, later) in self.pairs.items():
            if earlier == later:
                yield f"pairs.{period}: '{earlier}' twice, so that nothing changes between them; expected two dates"


Candidates = Annotated[Integer, Field(ge=0, le=1000)]


class JsonLinesConfig(Section):
    """Your own probes: sentences with a span, or dated queries with answers."""

    file: FilePath | None = Field(
        None,
        description="Your own probes as JSON lines or list, plain or compressed (docs/probes.md). null: none.",
    )
    candidates: Candidates = Field(
        12,
        description="Candidates that a probe without its own gets, from its relation, 0 to 1000. 0: rank none.",
    )


class EcbdConfig(Section):
    """Probes of ECBD."""

    files: Annotated[list[FilePath], Field(max_length=1000)] = Field(
        [], description="ECBD files, in either published layout."
    )
    period: Date | None = Field(
        None,
        description="Period whose new entities the files hold, as YYYYMMDD. Required for the set ecbd; null: none.",
    )


class WikidataConfig(Section):
    """Facts of Wikidata at the dates of the snapshots: an entity dump, or the saved answer of a SPARQL service."""

    file: FilePath | None = Field(
        None,
        description=(
            "Entity dump (.json, .json.gz, .bz2 or .xz) or SPARQL answer (.srj, .json), see docs/probes.md. null: none."
        ),
    )
    templates: DataPath | None = Field(
        None,
        description="CSV of templates by Wikidata ID and relation (docs/probes.md). null: tgl/probes/relations.csv.",
    )
    sitelink: Name | None = Field(
        "enwiki",
        description="Wiki in which a subject of a dump must have an article. null: use all subjects.",
    )
    language: Language = Field(
        "en", description="Language of the labels in a dump: an ISO 639-1 or Wikipedia code, such as en."
    )
    max_per_relation: Positive | None = Field(
        None, description="Subjects of each relation, at most. null: no limit."
    )


class SnapshotProbesConfig(Section):
    """Probes made of sentences of the snapshots (docs/probes.md)."""

    withhold: Flag = Field(
        True, description="Remove the sentences of probes from all training text. false: keep them."
    )
    taught: Flag = Field(
        True,
        description="Use a probe only if another training sentence states its value or entity. false: use all probes.",
    )
    max_per_page: Positive = Field(3, description="Probes of each kind, page and period, at most.")
    candidates: Candidates = Field(
        12, description="Candidates that a probe ranks, from probes of its relation, 0 to 1000. 0: rank none."
    )
    pipeline: Name = Field(
        "en_core_web_sm",
        description="Pipeline of spaCy that finds noun phrases; pip install 'tgl[phrases]' installs the default.",
    )


Split = Annotated[Number, Field(ge=0.001, le=0.999)]


class ProbesConfig(Section):
    """Sentences with salient spans. All probes of a subject are in the same split: validation, test or neither."""

    sets: Annotated[list[Annotated[str, name_in(PROBE_SETS)]], Field(min_length=1)] = Field(
        ["world"],
        description=(
            "Sets of probes (docs/probes.md): json_lines (your own), snapshots, templama, ecbd, wikidata, world (only "
            "for source synthetic), counterfactual (only for the source of this name)."
        ),
    )
    validation_share: Split = Field(
        0.4,
        description="Validation share of the subjects, for profiles and the choice of a learning rate, 0.001 to 0.999.",
    )
    test_share: Split = Field(
        0.5,
        description=(
            "Test share of the subjects, on which methods are scored, 0.001 to 0.999. The rest is not used."
        ),
    )
    max_per_kind: Positive | None = Field(
        None, description="Probes of each set, kind and period, at most. null: no limit."
    )
    seed: Seed = Field(
        0, description="Seed of the split of the subjects and of the choice by max_per_kind, 0 to 4294967295."
    )
    json_lines: JsonLinesConfig = Field(
        JsonLinesConfig(), description="Your own probes, for the set json_lines."
    )
    templama: TemplamaConfig = Field(
        TemplamaConfig(), description="Probes of TempLAMA or Dynamic TempLAMA, for the set templama."
    )
    ecbd: EcbdConfig = Field(EcbdConfig(), description="Probes of ECBD, for the set ecbd.")
    wikidata: WikidataConfig = Field(
        WikidataConfig(),
        description="Facts that hold at the dates of the snapshots, for the set wikidata.",
    )
    snapshots: SnapshotProbesConfig = Field(
        SnapshotProbesConfig(),
        description="Probes made of sentences of the snapshots, for the set snapshots.",
    )

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        if self.validation_share + self.test_share > 1:
            yield (
                f"validation_share + test_share: {self.validation_share} + {self.test_share} is more than 1; lower one "
                "of them"
            )
        if "templama" in self.sets and not (self.templama.file and self.templama.pairs):
            yield "templama: file and pairs are required when sets has 'templama'"
        if "json_lines" in self.sets and not self.json_lines.file:
            yield "json_lines.file: required when sets has 'json_lines'"
        if "ecbd" in self.sets and not self.ecbd.files:
            yield "ecbd.files: required when sets has 'ecbd'"
        yield from twice("sets", self.sets)
        yield from twice("ecbd.files", self.ecbd.files)


ProbesConfig = with_others(ProbesConfig, PROBE_SETS)
