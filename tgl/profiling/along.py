"""Stage `along`: measure the profile at several steps of the base model's training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from tgl.profiling.factors import example_norms
from tgl.profiling.measure import measure
from tgl.profiling.options import Options
from tgl.profiling.settings import ProfileConfig


def profile_along(
    models: Mapping[int, Path],
    probes: str | Path,
    corpus: str | Path,
    *,
    period: str,
    settings: ProfileConfig,
    seed: int,
    say: Callable[[str], None] = print,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the profile of each checkpoint, and return the tables `along` and `along_examples`.

    Args:
        models: The checkpoint folders by training step.
        probes: The table or file of probes.
        corpus: The plain text.
        period: The period whose probes to use.
        settings: The section `profile` of the configuration.
        seed: Seed of the bootstrap.
        say: Called with log lines.
    """
    profiles, examples = [], []
    for step, folder in models.items():
        found = measure(
            folder,
            probes=probes,
            corpus=corpus,
            settings=settings,
            options=Options(period=period, seed=seed, twin=False),
            say=lambda text, step=step: say(f"step {step}: {text}"),
        )
        whole = found.profile[found.profile["sublayer"] == "all"]
        columns = ["group", "denominator", "num_examples", "relative_norm", "low", "high"]
        profiles.append(whole[columns].assign(step=step))
        examples.append(example_norms(found.norms).assign(step=step))
        say(f"step {step}: {found.about['counts']}")
    return pd.concat(profiles), pd.concat(examples)
