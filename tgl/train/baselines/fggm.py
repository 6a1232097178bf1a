"""Fisher-guided gradient masking (FGGM, Tan et al. 2026, arXiv 2601.18261): rows that matter to the model stay frozen.

Of the paper, only the abstract could be read here: the diagonal Fisher information measures the importance of
parameters, a binary mask with an adaptive threshold keeps the critical ones, and no old data is needed. The rest is
ours: the information is taken from the new text, with labels drawn from the model (as in `ewc`), and averaged over each
row of a linear map. In every linear map of the plan's sublayers, the rows with the lowest information are trained.
Norms and biases outside linear maps are trained as in plain training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tgl.core.config_types import Integer, Number, Section
from tgl.train.masks import MaskedBaseline

if TYPE_CHECKING:
    import torch

    from tgl.train.run import Period


class FggmConfig(Section):
    """FGGM: freeze the rows of linear maps with the largest Fisher information."""

    share: Annotated[Number, Field(gt=0, le=1)] = Field(
        0.3, description="Share of the rows of each linear map that is trained, above 0, at most 1."
    )
    sequences: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        64, description="Sequences of new text that give the Fisher information, 1 to 1,000,000."
    )


class Fggm(MaskedBaseline):
    """Train the rows with the lowest Fisher information."""

    Settings = FggmConfig
    varied = "share"
    settings: FggmConfig

    def masks(self, period: Period) -> dict[str, torch.Tensor]:
        """See `MaskedBaseline`.

        Raises:
            TglError: A trained sublayer has other matrices than linear maps.
        """
        import torch

        from tgl.core.vocabulary import EMBEDDING
        from tgl.models.linear import check_linear
        from tgl.models.matrices import units_named
        from tgl.profiling.fisher import fisher_diagonal
        from tgl.train.masks import lowest

        trained = period.plan.trained() | ({EMBEDDING} if period.plan.embedding > 0 else set())
        units = units_named(period.model, period.plan.multipliers)
        units = [unit for unit in units if unit.name in trained]
        maps = check_linear(units, "fggm")
        new = torch.from_numpy(period.new_stream().batch(0, self.settings.sequences, period.block_size))
        fisher = fisher_diagonal(
            period.model, [linear.module.weight for linear in maps], new, seed=period.seed
        )
        found = {
            name: torch.ones_like(p, dtype=torch.bool)
            for unit in units
            for name, p in unit.parameters.items()
        }
        for linear, diagonal in zip(maps, fisher, strict=True):
            rows = lowest(diagonal.mean(1 - linear.outputs), self.settings.share)
            found |= linear.masks(rows)
        return found


BASELINE = Fggm
