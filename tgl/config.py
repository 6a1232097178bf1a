"""The configuration: one typed section a stage. `config.yaml` holds the same defaults with comments.

Only what changes a result stands here; threads, memory and paths of results do not.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tgl.config_baselines import BaselinesConfig
from tgl.config_probes import ProbesConfig
from tgl.config_training import EngineConfig as EngineConfig
from tgl.config_training import ModelConfig, TrainConfig
from tgl.config_training import OptimiserConfig as OptimiserConfig
from tgl.config_training import PretrainConfig as PretrainConfig
from tgl.config_types import (
    Dates,
    ExperimentName,
    Factor,
    FilePath,
    Flag,
    Holdout,
    Integer,
    Language,
    Method,
    Name,
    Number,
    Resamples,
    Section,
    Seed,
    Share,
)
from tgl.plans.names import parse_method


class WorldConfig(Section):
    """The synthetic world (`tgl.wiki.world`): what it speaks of, its size, and shares of change a year.

    A date takes as much of a year's share as of a year has passed since the date before.
    """

    domain: Literal["encyclopedia", "records"] = "encyclopedia"
    pages: Annotated[Integer, Field(ge=200, le=1_000_000)] = 480
    seed: Seed = 0
    updated_share: Share = 0.25
    new_share: Share = 0.2
    edited_share: Share = 0.02
    candidates: Annotated[Integer, Field(ge=2, le=200)] = 12


class LocalConfig(Section):
    """Dump files below data_root; the pattern's {date}, or {year}, {month}, {day}, stand for each date."""

    pattern: FilePath = "{date}*.xml*"


class WikimediaConfig(Section):
    """Dump files fetched over HTTP; the contact goes into the User-Agent, as the host's rules ask.

    `sources`: a table of dump sources in place of the shipped one (`tgl.wiki.sources`); `search_days`: how far from a
    date that no source has the nearest dump may be.
    """

    sources: FilePath | None = None
    search_days: Annotated[Integer, Field(ge=0, le=366)] = 31
    base_url: str = "https://dumps.wikimedia.org"
    wiki: Name = "enwiki"
    part: str = "articlesmultistreamdump"
    contact: str | None = None


class HistoryConfig(Section):
    """Full histories below data_root, of which each date's dump is made (`tgl.wiki.history`).

    A revision is undone when one of the next `revert_revisions`, within `revert_hours`, brings back an earlier text.
    """

    pattern: FilePath = "*pages-meta-history*"
    revert_hours: Annotated[Integer, Field(ge=0, le=100_000)] = 48
    revert_revisions: Annotated[Integer, Field(ge=1, le=1000)] = 15


class SnapshotsConfig(Section):
    """Which dates, and where their dump files come from."""

    source: Literal["synthetic", "local", "wikimedia", "history"] = "synthetic"
    dates: Annotated[Dates, Field(min_length=2)] = ["20190101", "20200101", "20210101", "20220101"]
    synthetic: WorldConfig = WorldConfig()
    local: LocalConfig = LocalConfig()
    wikimedia: WikimediaConfig = WikimediaConfig()
    history: HistoryConfig = HistoryConfig()


class PagesConfig(Section):
    """Shards (shard i holds page ids from i * pages_per_shard + 1 on, the last one all that follow), and what is kept.

    `page_seconds`, `page_memory_mb`: CPU time of one page and memory of the process that parses, beyond which the
    page is cleaned simply.
    """

    shards: Annotated[Integer, Field(ge=1, le=10_000)] = 1
    pages_per_shard: Annotated[Integer, Field(ge=1, le=1_000_000_000)] = 1_000_000
    tables: bool = False
    infoboxes: bool = False
    drop_sections: list[str] = [
        "See also",
        "References",
        "Notes",
        "Footnotes",
        "Citations",
        "Notes and references",
        "Further reading",
        "External links",
    ]
    page_seconds: Annotated[Number, Field(ge=0.1, le=3600)] = 10
    page_memory_mb: Annotated[Integer, Field(ge=500, le=100_000)] = 2000


class TextConfig(Section):
    """Training text: which base corpus, which share of pages is withheld for held-out loss, what counts as changed."""

    base: Literal["first_snapshot", "json_lines"] = "first_snapshot"
    json_lines: FilePath | None = None
    max_characters: Annotated[Integer, Field(ge=1, le=10**15)] | None = None
    holdout_share: Holdout = 0.05
    language: Language = "en"
    diff_rule: Literal["tgl", "temporalwiki", "ticwiki"] = "tgl"


class TokensConfig(Section):
    """Tokenizer (trained, or loaded by Hugging Face name or folder) and length of packed blocks in tokens."""

    tokenizer: FilePath | None = None
    vocab_size: Annotated[Integer, Field(ge=300, le=1_000_000)] = 650
    block_size: Annotated[Integer, Field(ge=16, le=131_072)] = 128


class ProfileConfig(Section):
    """Gradient norms: how many examples a group, window length, resamples, the seed that draws examples.

    `periods`: one profile of the base model for all periods, or one before each period of every run.
    """

    periods: Literal["first", "each"] = "first"
    examples: Annotated[Integer, Field(ge=2, le=1_000_000)] = 32
    window_tokens: Annotated[Integer, Field(ge=2, le=131_072)] = 512
    bootstrap: Resamples = 1000
    seed: Seed = 0


class AgreeConfig(Section):
    """Causal tracing: how many facts a kind, noise in standard deviations of the embeddings, draws of noise."""

    facts: Annotated[Integer, Field(ge=2, le=1_000_000)] = 32
    noise_scale: Factor = 3.0
    noise_draws: Annotated[Integer, Field(ge=1, le=1000)] = 4


Denominator = Literal["window", "matched_span", "unchanged"]


class PlanConfig(Section):
    """What plans are made from where their names do not say: the relative norm, and the unit `embedding`."""

    salient: Literal["updated", "new_entity"] = "updated"
    denominator: Denominator = "window"
    embedding: Literal["frozen", "trained"] = "frozen"
    borrow: FilePath | None = None


Limit = Annotated[Number, Field(ge=0, le=1e9)]


class GateConfig(Section):
    """What must be seen before the experiment means anything; `binding` makes a miss an error."""

    binding: Flag = True
    base_ranking: Annotated[Number, Field(ge=0, le=1)] = 0.75
    times_chance: Limit = 6.0
    updated_gain: Limit = 3.0
    new_entity_gain: Limit = 2.0


class ReportConfig(Section):
    """Resamples of the bootstrap over seeds and subjects."""

    bootstrap: Resamples = 1000


class Config(Section):
    """The whole configuration."""

    experiment: ExperimentName = "default"
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=1000)] = [0, 1, 2, 3]
    methods: Annotated[list[Method], Field(min_length=1, max_length=1000)] = [
        "full",
        "tgl_fp",
        "tgl_alr",
        "random",
        "inverse",
    ]
    data_root: FilePath | None = None
    snapshots: SnapshotsConfig = SnapshotsConfig()
    pages: PagesConfig = PagesConfig()
    text: TextConfig = TextConfig()
    probes: ProbesConfig = ProbesConfig()
    tokens: TokensConfig = TokensConfig()
    model: ModelConfig = ModelConfig()
    profile: ProfileConfig = ProfileConfig()
    agree: AgreeConfig = AgreeConfig()
    plan: PlanConfig = PlanConfig()
    train: TrainConfig = TrainConfig()
    baselines: BaselinesConfig = BaselinesConfig()
    gate: GateConfig = GateConfig()
    report: ReportConfig = ReportConfig()

    @property
    def periods(self) -> list[str]:
        """The dates after the first: each names the period that ends with its snapshot."""
        return self.snapshots.dates[1:]

    @property
    def plans(self) -> list[str]:
        """The plans that the methods need, each once."""
        return list(dict.fromkeys(parse_method(method)[0] for method in self.methods))
