"""LoRA (Hu et al. 2021, arXiv 2106.09685) as a baseline: adapters of query and value, merged after each period.

`tgl.train.lora` creates the adapters. A plan's multipliers scale their learning rates, or their ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tgl.core.config_types import Factor, Integer, Section
from tgl.core.errors import TglError
from tgl.models.architecture import ARCHITECTURES
from tgl.train.baseline import Baseline, Prepared, Start

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from tgl.models.settings import ModelConfig
    from tgl.plans.names import PlanName
    from tgl.plans.plan import Plan
    from tgl.train.run import Period

_KEPT = "adapter.safetensors"


class LoraConfig(Section):
    """LoRA: low-rank adapters of query and value."""

    rank: Annotated[Integer, Field(ge=1, le=65_536)] = Field(
        4, description="Rank of the adapters, 1 to 65,536."
    )
    alpha: Factor = Field(16.0, description="Factor alpha, above 0; adapters are scaled by alpha / rank.")
    multipliers: Literal["rates", "ranks"] = Field(
        "rates",
        description="What a plan's multipliers scale. rates: the adapters' learning rates; ranks: their ranks.",
    )
    between: Literal["keep", "merge", "new"] = Field(
        "merge",
        description=(
            "After a period. keep: train it on; merge: merge it, start a new one; new: restart from the base model."
        ),
    )


class Lora(Baseline):
    """Train only adapters. After each period they are merged into the model for its checkpoint."""

    by_matrix = False
    partitions = False
    Settings = LoraConfig
    varied = "rank"
    settings: LoraConfig

    @property
    def start(self) -> Start:
        """Return the start of a period. A kept adapter needs the base model's weights."""
        starts = {"merge": Start.PREVIOUS, "new": Start.BASE, "keep": Start.BASE_AND_KEPT}
        return starts[self.settings.between]

    def problems(
        self, plan: PlanName, *, embedding: str, model: ModelConfig, rates: Sequence[float]
    ) -> Iterator[str]:
        """See `Baseline`."""
        scratch = model if model.load is None else None
        if embedding == "trained":
            yield "trains the unit embedding, but lora trains only adapters; set plan.embedding to 'frozen'"
        if scratch and not ARCHITECTURES.get(scratch.architecture).has_attention:
            yield f"needs attention, but '{scratch.architecture}' has none; use another baseline"
        elif scratch and (plan.number or 0) % 2:
            yield "trains no attention sublayer, but lora adapts query and value projections; use another baseline"

    def check(self, plan: Plan, learning_rate: float) -> None:
        """See `Baseline`."""
        if plan.embedding > 0:
            raise TglError(
                f"lora: the plan '{plan.method}' trains the unit embedding, but LoRA trains only adapters. "
                "Set plan.embedding to 'frozen', or use this plan with another baseline"
            )
        for number, phase in enumerate(plan.phases):
            if not any(
                name.endswith(".attention") and value > 0 for name, value in phase.multipliers.items()
            ):
                where = f"in phase {number + 1} of {len(plan.phases)} " if plan.later else ""
                raise TglError(
                    f"lora: the plan '{plan.method}' {where}trains no attention sublayer, but LoRA adapts query and "
                    "value projections. Use this plan with another baseline"
                )

    def prepare(self, period: Period) -> Prepared:
        """See `Baseline`. Each sublayer has one parameter group. Adapters get no weight decay, because they are small.

        The units are those of the inner model, whose parameters do not change until the merge.
        """
        import torch

        from tgl.models.sublayers import sublayers
        from tgl.plans.apply import freeze
        from tgl.train.lora import adapter_parameters, attention_units, projections, with_lora

        wanted = self.settings
        freeze(period.model, period.plan)  # This checks the plan. `groups` sets requires_grad again.
        units = sublayers(period.model)
        adapted = attention_units(period.plan, period.model)
        owner = {name: unit.name for unit in adapted for name in projections(unit)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(period.seed)
            period.model = with_lora(
                period.model, period.plan, wanted.rank, alpha=wanted.alpha, multipliers=wanted.multipliers
            )
        if wanted.between == "keep" and period.previous is not None:
            _restore(period.previous / _KEPT, dict(adapter_parameters(period.model)))

        def groups(phase: Plan) -> list[dict]:
            return self._groups(period, phase, owner)

        trained = {name for name in period.plan.trained() if name.endswith(".attention")}
        return Prepared(period.model, units, trained, groups)

    def _groups(self, period: Period, phase: Plan, owner: dict[str, str]) -> list[dict]:
        from tgl.train.lora import adapter_parameters

        found: dict[str, dict] = {}
        for name, parameter in adapter_parameters(period.model):
            unit = owner[name.partition(".lora_")[0]]
            multiplier = phase.of(unit)
            parameter.requires_grad_(multiplier > 0)
            if multiplier > 0:
                rate = period.learning_rate * (multiplier if self.settings.multipliers == "rates" else 1.0)
                group = {"params": [], "lr": rate, "initial_lr": rate, "weight_decay": 0.0, "units": []}
                group = found.setdefault(unit, group)
                group["params"].append(parameter)
                group["units"].append(unit)
        if not found:
            raise TglError(
                f"lora: a phase of the plan '{phase.method}' trains no attention sublayer, so no adapter. "
                "Use this plan with another baseline"
            )
        return list(found.values())

    def finish(self, period: Period, prepared: Prepared) -> PreTrainedModel:
        """See `Baseline`. Save the adapter, and merge it into the model."""
        from safetensors.torch import save_file

        from tgl.train.lora import adapter_parameters

        adapter = {
            name: value.detach().cpu().contiguous() for name, value in adapter_parameters(period.model)
        }
        period.folder.mkdir(parents=True, exist_ok=True)
        save_file(adapter, period.folder / _KEPT)
        return period.model.merge_and_unload()


def _restore(file: Path, parameters: dict[str, nn.Parameter]) -> None:
    """Copy the adapter in a file to these parameters; raise TglError if its sublayers or ranks differ."""
    import torch

    from tgl.models.model_files import load_tensors

    kept = load_tensors(file)
    if set(kept) != set(parameters) or any(kept[name].shape != parameters[name].shape for name in kept):
        raise TglError(
            "lora: this period's plan needs different adapters than the previous period's, but "
            "baselines.lora.between is 'keep'. Set it to 'merge', or set profile.periods to 'first'"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(kept[name])


BASELINE = Lora
