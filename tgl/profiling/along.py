"""Stage `along`: the profile at several steps of the base model's training, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from tgl.config import ProfileConfig
from tgl.profiling.factors import example_norms
from tgl.profiling.stage import profile
from tgl.tables import write_table


def profile_along(
    models: Mapping[int, Path],
    probes: str | Path,
    corpus: str | Path,
    period: str,
    settings: ProfileConfig,
    seed: int,
    profile_output: str | Path,
    examples_output: str | Path,
    say: Callable[[str], None] = print,
) -> None:
    """Profile each of `models`, by training step, and write the tables `along` and `along_examples`."""
    profiles, examples = [], []
    for step, folder in models.items():
        found = profile(
            folder,
            probes=probes,
            corpus=corpus,
            period=period,
            settings=settings,
            seed=seed,
            twin=False,
            say=lambda text, step=step: say(f"step {step}: {text}"),
        )
        whole = found.profile[found.profile["sublayer"] == "all"]
        columns = ["group", "denominator", "num_examples", "relative_norm", "low", "high"]
        profiles.append(whole[columns].assign(step=step))
        examples.append(example_norms(found.norms).assign(step=step))
        say(f"step {step}: {found.about['counts']}")
    write_table(pd.concat(profiles), profile_output, "along")
    write_table(pd.concat(examples), examples_output, "along_examples")
