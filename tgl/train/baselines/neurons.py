"""Train only the MLP neurons that new text uses most, compared with old text.

The score of a neuron is its mean |activation * gradient| on new text over that on old text (`tgl.train.neurons`). The
highest share of all neurons in the plan's MLPs is trained; all other weights are frozen. Activation times gradient is
the first-order attribution of Molchanov et al. 2017 (arXiv 1611.06440); its ratio as a choice of what to train is ours.
The controls `random_neurons` and `lowest_neurons` train as many neurons in the same sublayers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tgl.core.config_types import Integer, Number, Section
from tgl.core.errors import TglError
from tgl.models.architecture import ARCHITECTURES
from tgl.train.masks import MaskedBaseline

if TYPE_CHECKING:
    import torch

    from tgl.models.settings import ModelConfig
    from tgl.plans.names import PlanName
    from tgl.plans.plan import Plan
    from tgl.train.run import Period

SomeShare = Annotated[Number, Field(gt=0, le=1)]


class NeuronsConfig(Section):
    """Neurons: train a share of the MLP neurons."""

    share: SomeShare = Field(0.05, description="Share of the neurons that is trained, above 0, at most 1.")
    sequences: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        64, description="Sequences of new text, and of old text, that give the scores, 1 to 1,000,000."
    )


class Neurons(MaskedBaseline):
    """Train the neurons with the highest scores."""

    by_matrix = False
    Settings = NeuronsConfig
    varied = "share"
    settings: NeuronsConfig

    def problems(
        self, plan: PlanName, *, embedding: str, model: ModelConfig, rates: Sequence[float]
    ) -> Iterator[str]:
        """See `Baseline`."""
        scratch = model.load is None
        if embedding == "trained":
            yield "trains the unit embedding, but only MLP neurons are trained; set plan.embedding to 'frozen'"
        if scratch and "mlp" not in ARCHITECTURES.get(model.architecture).layout.parts:
            yield f"needs MLPs, but '{model.architecture}' has none; use another baseline"

    def check(self, plan: Plan, learning_rate: float) -> None:
        """See `Baseline`. Every phase must train an MLP."""
        for phase in plan.phases:
            if not any(name.endswith(".mlp") and value > 0 for name, value in phase.multipliers.items()):
                raise TglError(
                    f"neurons: found no trained MLP in the plan '{plan.method}', expected one in every phase. "
                    "Use this plan with another baseline"
                )

    def masks(self, period: Period) -> dict[str, torch.Tensor]:
        """See `MaskedBaseline`."""
        import torch

        from tgl.models.linear import mlps
        from tgl.models.sublayers import sublayers
        from tgl.train.neurons import attributions, highest, scores

        layers = mlps(
            period.model, [unit for unit in sublayers(period.model) if unit.name in period.plan.trained()]
        )
        count, size = self.settings.sequences, period.block_size
        new, old = (
            attributions(period.model, layers, torch.from_numpy(stream.batch(0, count, size)))
            for stream in (period.new_stream(), period.old_stream())
        )
        found = scores(new, old)
        chosen = self.chosen(found, highest(found, self.settings.share), period.seed)
        device = period.model.device
        return {
            name: mask.to(device)
            for mlp in layers
            for name, mask in mlp.masks(chosen[mlp.unit].to(device)).items()
        }

    def chosen(
        self, scores: Mapping[str, torch.Tensor], best: Mapping[str, torch.Tensor], seed: int
    ) -> Mapping[str, torch.Tensor]:
        """Return masks of the neurons to train, [num_neurons] by sublayer; controls override this.

        Args:
            scores: The scores [num_neurons] by sublayer.
            best: Masks of the neurons with the highest scores.
            seed: Seed of the period.
        """
        return best


BASELINE = Neurons
