"""The configuration of an experiment. `config.yaml` holds the same defaults with comments.

Each package defines its own section. The configuration only has settings that change a result; it does not have
threads, memory or paths of results.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tgl.analysis.settings import AgreeConfig
from tgl.config.report_settings import GateConfig, ReportConfig
from tgl.core.config_types import ExperimentName, FilePath, Flag, Section, Seed
from tgl.core.registered import sections_of
from tgl.models.settings import ModelConfig
from tgl.plans.settings import PlanConfig
from tgl.probes.settings import ProbesConfig
from tgl.profiling.settings import ProfileConfig
from tgl.snapshots.extract.settings import PagesConfig
from tgl.snapshots.settings import SnapshotsConfig
from tgl.text.settings import TextConfig, TokensConfig
from tgl.train.baseline import BASELINES
from tgl.train.methods import Method, parse_method
from tgl.train.settings import TrainConfig

BaselinesConfig = sections_of(
    BASELINES, "BaselinesConfig", "Settings of the baselines, one section each.", module=__name__
)


class Config(Section):
    """Configuration of an experiment of tgl."""

    experiment: ExperimentName = Field(
        "default",
        description="Name of the experiment and of its folder in results/: at most 100 letters, digits, _ . and -.",
    )
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=1000)] = Field(
        [0, 1, 2, 3],
        description="Seeds, 0 to 4294967295. Each one gives every method a run with its own base model and data order.",
    )
    methods: Annotated[list[Method], Field(min_length=1, max_length=1000)] = Field(
        [
            "full",
            "tgl_fp",
            "tgl_alr",
            "random",
            "inverse",
        ],
        description="Methods: a plan (docs/plans.md), or a plan and a baseline (docs/baselines.md), as in tgl_fp+ewc.",
    )
    data_root: FilePath | None = Field(
        None,
        description=(
            "Folder that relative paths of dumps, text and probe files start from. null: the working directory."
        ),
    )
    reuse: Flag = Field(
        True,
        description=(
            "Copy extractions, diffs, tokens and base models that another experiment next to this one made from the "
            "same inputs with the same settings, code and package versions. false: make them again."
        ),
    )
    snapshots: SnapshotsConfig = Field(
        SnapshotsConfig(), description="Snapshots of the text: their dates, and where they are from."
    )
    pages: PagesConfig = Field(PagesConfig(), description="Extraction of the text of pages from dumps.")
    text: TextConfig = Field(
        TextConfig(), description="Training text: base text, held-out pages, and new text of each period."
    )
    probes: ProbesConfig = Field(
        ProbesConfig(), description="Probes: sentences with a span that the model should predict."
    )
    tokens: TokensConfig = Field(TokensConfig(), description="Tokenizer and training sequences.")
    model: ModelConfig = Field(ModelConfig(), description="Base model, from scratch or loaded.")
    profile: ProfileConfig = Field(
        ProfileConfig(),
        description="Gradient profile: gradient norms of each sublayer for groups of examples.",
    )
    agree: AgreeConfig = Field(
        AgreeConfig(),
        description="Comparison of the profile with causal tracing (as in ROME) and with the movement of weights.",
    )
    plan: PlanConfig = Field(
        PlanConfig(), description="Plans: choices that the name of a plan may leave open (docs/plans.md)."
    )
    train: TrainConfig = Field(TrainConfig(), description="Continual pretraining, the same for every method.")
    baselines: BaselinesConfig = Field(
        BaselinesConfig(),
        description="Baselines against forgetting that can follow a plan, as in tgl_fp+ewc (docs/baselines.md).",
    )
    gate: GateConfig = Field(
        GateConfig(), description="Gate: checks that a run must pass before its comparisons count."
    )
    report: ReportConfig = Field(ReportConfig(), description="Report: comparison of the methods.")

    @property
    def periods(self) -> list[str]:
        """The dates after the first: each names the period that ends with its snapshot."""
        return self.snapshots.dates[1:]

    def rates_of(self, method: str) -> list[float]:
        """Return the learning rates of a method."""
        return self.train.method_rates.get(method, self.train.learning_rates)

    @property
    def runs(self) -> list[tuple[str, float]]:
        """Return (method, learning rate) of every run of a seed."""
        return [(method, rate) for method in self.methods for rate in self.rates_of(method)]

    @property
    def plans(self) -> list[str]:
        """The plans that the methods need, each once."""
        return list(dict.fromkeys(parse_method(method)[0] for method in self.methods))
