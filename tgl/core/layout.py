"""The path of every artifact of an experiment. Rules, report, export and provenance all use this module.

Paths are relative to the experiment's results folder. A field without a value stays a wildcard in braces, as in
Snakemake rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

# In place of a method, "base" means the base model. In place of a period, it means the base text.
BASE = "base"
PATTERNS = {
    # snapshots
    "facts": "snapshots/facts.parquet",
    "dump": "snapshots/{date}/dump",
    "files": "snapshots/{date}/files.parquet",
    "pages": "snapshots/{date}/pages/{shard}.parquet",
    "diff": "diff/{old}_{period}/{shard}.parquet",
    # probes
    "probes": "probes/probes.parquet",
    "counterfactual_probes": "snapshots/probes.parquet",
    "snapshot_probes": "probes/snapshots/{period}/{shard}.parquet",
    "wikidata": "probes/wikidata.jsonl",
    # tokens of the base text (`BASE`) and of each period
    "tokenizer": "tokens/tokenizer",
    "tokens": "tokens/{period}.parquet",
    "withheld": "withheld/{period}.parquet",
    # models: the base model, its weights during pretraining, and the checkpoint of each method after each period
    "base_model": "models/{model}/base/seed{seed}",
    "kept_model": "models/{model}/base/seed{seed}/along/{step}",
    "model": "models/{model}/{method}/seed{seed}/{period}",
    "state": "state/{model}/{method}/seed{seed}",
    # profiles and plans
    "profile": "profile/{model}/seed{seed}/{period}/profile.parquet",
    "norms": "profile/{model}/seed{seed}/{period}/norms.parquet",
    "comparisons": "profile/{model}/seed{seed}/{period}/comparisons.parquet",
    "interference": "profile/{model}/seed{seed}/{period}/interference-{salient}.parquet",
    "profile_picture": "profile/{model}/seed{seed}/{period}/profile.svg",
    "denominators_picture": "profile/{model}/seed{seed}/{period}/denominators.svg",
    "along": "profile/{model}/seed{seed}/along.parquet",
    "along_examples": "profile/{model}/seed{seed}/along-examples.parquet",
    "tracing": "agree/{model}/seed{seed}/tracing.parquet",
    "movement": "agree/{model}/seed{seed}/movement.parquet",
    "agreement": "agree/{model}/seed{seed}/agreement.parquet",
    "plan": "plan/{model}/seed{seed}/{plan}.json",
    # measurements of the base model and of each method
    "scores": "scores/{model}/{method}/seed{seed}/scores.parquet",
    "lm_loss": "scores/{model}/{method}/seed{seed}/lm_loss.parquet",
    "generations": "scores/{model}/{method}/seed{seed}/generations.parquet",
    "step_scores": "scores/{model}/{method}/seed{seed}/step_scores.parquet",
    "step_losses": "scores/{model}/{method}/seed{seed}/step_losses.parquet",
    "steps": "scores/{model}/{method}/seed{seed}/steps.parquet",
    "rates": "scores/{model}/{method}/seed{seed}/rates.parquet",
    "drift": "scores/{model}/{method}/seed{seed}/drift.parquet",
    # report, and the workflow's log and benchmark of each job
    "report": "report/{file}",
    "log": "logs/{job}.log",
    "benchmark": "benchmarks/{job}.tsv",
}
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Layout:
    """The artifacts of one experiment.

    Attributes:
        results: The experiment's results folder.
        model: The name of its model.
    """

    results: str
    model: str

    def path(self, artifact: str, **fields: object) -> str:
        """Return the path of an artifact. Fields without a value stay wildcards.

        Args:
            artifact: A key of `PATTERNS`.
            fields: Values for the fields of its pattern.

        Raises:
            KeyError: There is no such artifact.
            TypeError: The artifact has no such field.
        """
        pattern = PATTERNS[artifact]
        known = set(_FIELD.findall(pattern))
        if unknown := set(fields) - known:
            raise TypeError(
                f"{artifact}: unknown field {', '.join(sorted(unknown))}; expected {sorted(known)}"
            )
        values = {"model": self.model, **fields}
        return f"{self.results}/" + _FIELD.sub(lambda field: str(values.get(field[1], field[0])), pattern)


def place(artifact: str, path: str) -> tuple[str, int] | None:
    """Return (configuration, shard) of an artifact; None for other files.

    The configuration joins the names in the path that distinguish the artifact from others of its kind, such as
    `gpt2--seed0--20200101`. Without such names it is `default`. The shard is 0 for artifacts without shards.

    Args:
        artifact: A key of `PATTERNS`.
        path: A path relative to the experiment's folder.
    """
    pattern = PATTERNS[artifact]
    match = _expression(pattern).fullmatch(path)
    shard = match.groupdict().get("shard", "0") if match else ""
    if match is None or not shard.isdecimal():
        return None
    parts = list(zip(pattern.split("/"), path.split("/"), strict=True))
    names = [name for part, name in parts[:-1] if _FIELD.search(part)]
    last, name = parts[-1]
    if set(_FIELD.findall(last)) - {"shard"}:
        names.append(name.removesuffix(PurePosixPath(last).suffix))
    return "--".join(names) or "default", int(shard)


def field_of(artifact: str, path: str, field: str) -> str | None:
    """Return the value of a field in the path of an artifact; None for other files.

    Args:
        artifact: A key of `PATTERNS`.
        path: A path relative to the experiment's folder.
        field: A field of the artifact's pattern.
    """
    match = _expression(PATTERNS[artifact]).fullmatch(path)
    return match[field] if match else None


def _expression(pattern: str) -> re.Pattern:
    pieces = _FIELD.split(pattern)
    return re.compile(
        "".join(
            f"(?P<{piece}>[^/]+)" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces)
        )
    )
