"""Plain training with a penalty on the distance from the weights before the period."""

from tgl.core.config_types import Factor, Section
from tgl.train.baseline import Baseline, Prepared


class L2ToStartConfig(Section):
    """The weight of the penalty."""

    strength: Factor = 0.1


class L2ToStart(Baseline):
    """loss = task + strength / 2 * |theta - theta0|^2, over the parameters that the plan trains."""

    Settings = L2ToStartConfig

    def regulariser(self, period, prepared: Prepared):
        """Return what is added to the loss of each step."""
        from tgl_example.penalty import Distance  # imports torch, which reading a configuration does not need

        return Distance(prepared.trained_parameters(), self.settings.strength)


BASELINE = L2ToStart
