"""`tgl.profile`: measure a profile, save and load it, and make plans from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.core.faults import file_errors
from tgl.core.tables.read import read_about, read_table
from tgl.core.vocabulary import UNRANKED
from tgl.plans.names import parse_plan
from tgl.plans.plan import Plan
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import plan_from, refuse_heads, with_the_rest
from tgl.profiling.measure import TABLES, Measured, Say, measure, quiet
from tgl.profiling.options import Options
from tgl.profiling.settings import ProfileConfig


class Profile(Measured):
    """Gradient norms of one model by sublayer, and plans from them.

    Attributes:
        profile: The table `profile` as a data frame.
        norms: The table `norms` as a data frame.
        comparisons: The table `comparisons` as a data frame.
        about: The inputs and conditions of the measurement.
    """

    def __repr__(self) -> str:
        trained = self.profile[self.profile["weights"] == "trained"]
        num_sublayers = len(set(trained["sublayer"]) - {"all", *UNRANKED})
        groups = ", ".join(trained["group"].unique())
        return f"<Profile {self.about.get('model')}: {num_sublayers} sublayers; groups {groups}>"

    def _repr_html_(self) -> str:
        trained = self.profile[self.profile["weights"] == "trained"]
        table = trained.pivot_table(
            "relative_norm", index="sublayer", columns=["group", "denominator"], sort=False
        )
        return table.to_html(float_format="%.2f")

    @file_errors()
    def save(self, folder: str | Path) -> None:
        """Write the three tables into a folder, each with `about` in its metadata."""
        self.write(folder)

    def plan(
        self,
        name: str,
        *,
        settings: PlanConfig | None = None,
        seed: int = 0,
        model: PreTrainedModel | None = None,
    ) -> Plan:
        """Make a plan from the profile.

        Args:
            name: Name of the plan (`tgl.plans.names`), such as 'tgl_fp' or 'random.top25.unchanged'.
            settings: Choices that the name leaves open. None: updated facts over windows, embedding frozen.
            seed: Seed of random policies.
            model: The profiled model, for policies that measure it ('spectrum').

        Raises:
            TglError: The name is unknown, or the profile lacks the group or denominator.
        """
        if not isinstance(name, str):
            raise TglError(f"plan: name: found {name!r:.100}, expected text such as 'tgl_fp.top25'")
        if not isinstance(settings, PlanConfig | None):
            raise TglError(f"plan '{name}': settings: found {settings!r:.100}, expected a PlanConfig")
        if type(seed) is not int:
            raise TglError(f"plan '{name}': seed: found {seed!r:.100}, expected a whole number")
        refuse_heads(self.about, name)
        if parse_plan(name).file is not None:
            raise TglError(f"plan '{name}': was written by hand. Read it with tgl.load_plan(PATH)")
        if parse_plan(name).borrowed:
            raise TglError(
                f"plan '{name}': a profile cannot borrow from another one. Call plan() of the other profile"
            )
        rows = self.profile.to_dict("records")
        origin = f"profile of {self.about.get('model')}"
        plan, _ = plan_from(rows, name, settings or PlanConfig(), seed=seed, origin=origin, model=model)
        return with_the_rest(plan, self.about)

    @classmethod
    @file_errors()
    def load(cls, folder: str | Path) -> Profile:
        """Read a profile that `save` wrote.

        Raises:
            TglError: A table is missing or damaged.
        """
        paths = {name: Path(folder) / f"{name}.parquet" for name in TABLES}
        tables = {name: read_table(path, name).to_pandas() for name, path in paths.items()}
        return cls(**tables, about=read_about(paths["profile"]))


@file_errors()
def profile(
    model: str | Path | nn.Module,
    *,
    probes: str | Path | Iterable[Mapping],
    corpus: str | Path | np.ndarray | Sequence[int],
    tokenizer: PreTrainedTokenizerBase | None = None,
    settings: ProfileConfig | None = None,
    say: Say = quiet,
    **options: Any,
) -> Profile:
    """Measure the gradient norms of salient spans and of every control, by sublayer.

    Args:
        model: A folder, a Hugging Face name, or a causal language model of transformers. A model object is measured in
            fp32 and does not change. It can be in bf16, have frozen parameters or activation checkpointing, be compiled
            or be inside DistributedDataParallel, or have peft adapters.
        probes: A table `probes`, a file of JSON lines (`tgl.probes.given`), or rows with the keys of such a file.
            Probes that cannot be used are left out and counted in `about`.
        corpus: Plain text similar to the pretraining text (`tgl.text.corpus`), or its token ids [num_tokens] as an
            array, a tensor or a list.
        tokenizer: The tokenizer; required for a model object.
        settings: The section `profile` of the configuration. None: the defaults.
        say: Called with log lines. By default, only warnings about the checkpoint are printed.
        **options: Those of `tgl.profiling.options.Options`, such as `period`, `twin` or `stream`.

    Raises:
        TglError: An input cannot be used.
        TypeError: There is no such option.
    """
    found = measure(
        model,
        probes=probes,
        corpus=corpus,
        tokenizer=tokenizer,
        settings=settings,
        options=Options(**options),
        say=say,
    )
    return Profile(**vars(found))
