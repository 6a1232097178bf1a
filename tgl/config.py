"""The configuration: one typed section a stage. `config.yaml` holds the same defaults with comments.

Only what changes a result stands here; threads, memory and paths of results do not.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tgl.config_baselines import BaselinesConfig
from tgl.config_probes import ProbesConfig
from tgl.config_types import Date, Flag, Integer, Method, Name, Number, Positive, Section, Share, number
from tgl.plans.names import parse_method


class WorldConfig(Section):
    """The synthetic world (`tgl.wiki.world`): what it speaks of, its size, and shares of change a year.

    A date takes as much of a year's share as of a year has passed since the date before.
    """

    domain: Literal["encyclopedia", "records"] = "encyclopedia"
    pages: Annotated[Integer, Field(ge=200, le=1_000_000)] = 480
    seed: Integer = 0
    updated_share: Share = 0.25
    new_share: Share = 0.2
    edited_share: Share = 0.02
    candidates: Annotated[Integer, Field(ge=2)] = 12


class LocalConfig(Section):
    """Dump files below data_root; the pattern's {date}, or {year}, {month}, {day}, stand for each date."""

    pattern: str = "{date}*.xml*"


class WikimediaConfig(Section):
    """Dump files fetched over HTTP; the contact goes into the User-Agent, as the host's rules ask.

    `sources`: a table of dump sources in place of the shipped one (`tgl.wiki.sources`); `search_days`: how far from a
    date that no source has the nearest dump may be.
    """

    sources: str | None = None
    search_days: Annotated[Integer, Field(ge=0, le=366)] = 31
    base_url: str = "https://dumps.wikimedia.org"
    wiki: Name = "enwiki"
    part: str = "articlesmultistreamdump"
    contact: str | None = None


class HistoryConfig(Section):
    """Full histories below data_root, of which each date's dump is made (`tgl.wiki.history`).

    A revision is undone when one of the next `revert_revisions`, within `revert_hours`, brings back an earlier text.
    """

    pattern: str = "*pages-meta-history*"
    revert_hours: Annotated[Integer, Field(ge=0, le=100_000)] = 48
    revert_revisions: Annotated[Integer, Field(ge=1, le=1000)] = 15


class SnapshotsConfig(Section):
    """Which dates, and where their dump files come from."""

    source: Literal["synthetic", "local", "wikimedia", "history"] = "synthetic"
    dates: Annotated[list[Date], Field(min_length=2)] = ["20190101", "20200101", "20210101", "20220101"]
    synthetic: WorldConfig = WorldConfig()
    local: LocalConfig = LocalConfig()
    wikimedia: WikimediaConfig = WikimediaConfig()
    history: HistoryConfig = HistoryConfig()


class PagesConfig(Section):
    """Shards (shard i holds page ids from i * pages_per_shard + 1 on, the last one all that follow), and what is kept.

    `page_seconds`, `page_memory_mb`: CPU time of one page and memory of the process that parses, beyond which the
    page is cleaned simply.
    """

    shards: Positive = 1
    pages_per_shard: Positive = 1_000_000
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
    page_seconds: Annotated[Number, Field(gt=0)] = 10
    page_memory_mb: Annotated[Integer, Field(ge=500)] = 2000


class TextConfig(Section):
    """Training text: which base corpus, which share of pages is withheld for held-out loss, what counts as changed."""

    base: Literal["first_snapshot", "json_lines"] = "first_snapshot"
    json_lines: str | None = None
    max_characters: Positive | None = None
    holdout_share: Annotated[Number, Field(gt=0, lt=1)] = 0.05
    language: str = "en"
    diff_rule: Literal["tgl", "temporalwiki", "ticwiki"] = "tgl"


class TokensConfig(Section):
    """Tokenizer (trained, or loaded by Hugging Face name or folder) and length of packed blocks in tokens."""

    tokenizer: str | None = None
    vocab_size: Annotated[Integer, Field(ge=300)] = 650
    block_size: Annotated[Integer, Field(ge=16)] = 128


class OptimiserConfig(Section):
    """AdamW with linear warm-up, then decay to zero; gradients are clipped to a global norm.

    `micro_batch_size`: rows of the batch that a process passes at once (None: all of its share).
    """

    steps: Annotated[Integer, Field(ge=0)]
    batch_size: Positive
    micro_batch_size: Positive | None = None
    warmup_share: Share = 0.1
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[Number, Field(ge=0)] = 0.01
    clip_norm: Annotated[Number, Field(gt=0)] = 1.0


class PretrainConfig(OptimiserConfig):
    """Pretraining from scratch, or adaptation of a loaded model (0 steps: none).

    `keep`: steps before which the weights are kept, for the profile along training.
    """

    steps: Annotated[Integer, Field(ge=0)] = 500
    keep: list[Annotated[Integer, Field(ge=0)]] = [0, 50, 100, 200, 300]
    batch_size: Positive = 8
    learning_rate: Annotated[Number, Field(gt=0)] = 0.006

    @property
    def kept(self) -> list[int]:
        """The steps of `keep` that training reaches."""
        return [step for step in self.keep if step < self.steps]


class ModelConfig(Section):
    """The base model: of this architecture and shape from scratch, or loaded by Hugging Face name or folder.

    merge_adapter: `load` is a folder with an adapter of peft, which is merged into its base model.
    """

    name: Name = "gpt2-6x96"
    load: str | None = None
    merge_adapter: Flag = False
    architecture: Literal["gpt2", "gpt_neo", "llama", "mamba", "tgl_gru"] = "gpt2"
    layers: Positive = 6
    hidden_size: Positive = 96
    heads: Positive = 4
    pretrain: PretrainConfig = PretrainConfig()


class ProfileConfig(Section):
    """Gradient norms: how many examples a group, window length, resamples, the seed that draws examples.

    `periods`: one profile of the base model for all periods, or one before each period of every run.
    """

    periods: Literal["first", "each"] = "first"
    examples: Annotated[Integer, Field(ge=2)] = 32
    window_tokens: Annotated[Integer, Field(ge=2)] = 512
    bootstrap: Annotated[Integer, Field(ge=100)] = 1000
    seed: Integer = 0


class AgreeConfig(Section):
    """Causal tracing: how many facts a kind, noise in standard deviations of the embeddings, draws of noise."""

    facts: Annotated[Integer, Field(ge=2)] = 32
    noise_scale: Annotated[Number, Field(gt=0)] = 3.0
    noise_draws: Positive = 4


Denominator = Literal["window", "matched_span", "unchanged"]


class PlanConfig(Section):
    """What plans are made from where their names do not say: the relative norm, and the unit `embedding`."""

    salient: Literal["updated", "new_entity"] = "updated"
    denominator: Denominator = "window"
    embedding: Literal["frozen", "trained"] = "frozen"
    borrow: str | None = None


class EngineConfig(Section):
    """What does the steps, of the base model too: precision of products, what ZeRO shares out, optimiser on the CPU."""

    engine: Literal["auto", "plain", "deepspeed"] = "auto"
    zero_stage: Annotated[Literal[0, 1, 2], BeforeValidator(number)] = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    offload: Flag = False


class TrainConfig(OptimiserConfig, EngineConfig):
    """Continual pretraining, the same for every plan."""

    steps: Annotated[Integer, Field(gt=0)] = 45
    batch_size: Positive = 4
    learning_rates: Annotated[list[Annotated[Number, Field(gt=0)]], Field(min_length=1)] = [0.003]
    checkpoint_steps: Positive = 15


class GateConfig(Section):
    """What must be seen before the experiment means anything; `binding` makes a miss an error."""

    binding: Flag = True
    base_ranking: Number = 0.75
    times_chance: Number = 6.0
    updated_gain: Number = 3.0
    new_entity_gain: Number = 2.0


class ReportConfig(Section):
    """Resamples of the bootstrap over seeds and subjects."""

    bootstrap: Annotated[Integer, Field(ge=100)] = 1000


class Config(Section):
    """The whole configuration."""

    experiment: Name = "default"
    seeds: Annotated[list[Annotated[Integer, Field(ge=0)]], Field(min_length=1)] = [0, 1, 2, 3]
    methods: Annotated[list[Method], Field(min_length=1)] = ["full", "tgl_fp", "tgl_alr", "random", "inverse"]
    data_root: str | None = None
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
