"""Measure how many probes a second `tgl` scores, compared with EleutherAI's lm-evaluation-harness on the same tasks.

    pip install lm_eval==0.4.13          # in an environment of its own that also has tgl
    python -m benchmarks.score MODEL PROBES [--most 64] [--batch 16] [--repeats 3]

MODEL is a folder, PROBES a table `probes` (results/NAME/probes/probes.parquet). Both score the same test probes with
all their candidates and greedy answers, in turns in one process with the same number of threads. Loading the model is
not counted, nor are the harness's tasks. The log-likelihoods must agree to 1e-4. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.figures import figure
from tgl.core.tables.read import read_table
from tgl.evaluate.score import score_probes
from tgl.export.lm_eval import export_lm_eval
from tgl.models.checkpoint import load_model
from tgl.models.tokenizer import load_tokenizer

GOAL = 2.0


def main() -> None:
    """Score the same probes by both in turns, and print the speeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("probes", type=Path)
    parser.add_argument("--most", type=int, default=64, help="test probes")
    parser.add_argument("--batch", type=int, default=16, help="requests in a batch of the harness")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    probes = read_table(options.probes, "probes")
    test = [number for number, split in enumerate(probes["split"].to_pylist()) if split == "test"]
    probes = probes.take(test[: options.most])
    model, tokenizer = load_model(options.model), load_tokenizer(options.model)
    model.eval()

    def own() -> dict[str, float]:
        rows = score_probes(model, tokenizer, probes, checkpoint="base")
        return {row["probe"]: row["log_likelihood"] for row in rows}

    with tempfile.TemporaryDirectory() as folder:
        other = harness(model, tokenizer, probes, Path(folder) / "tasks", batch=options.batch)
        seconds: dict[str, list[float]] = {"tgl": [], "harness": []}
        for turn in range(options.repeats + 1):
            found = {}
            for name, run in (("tgl", own), ("harness", other)):
                start = time.perf_counter()
                found[name] = run()
                if turn:  # The first turn warms up.
                    seconds[name].append(time.perf_counter() - start)
            assert found["tgl"].keys() == found["harness"].keys()
            worst = max(abs(found["tgl"][probe] - found["harness"][probe]) for probe in found["tgl"])
            assert worst < 1e-4, worst
    speeds = {name: len(probes) / statistics.median(times) for name, times in seconds.items()}
    print(
        f"{len(probes)} probes, {torch.get_num_threads()} threads, log-likelihoods differ by at most {worst:.1e}"
    )
    for name, speed in speeds.items():
        print(f"  {name:<8}{speed:8.1f} probes/s")
    ratio = speeds["tgl"] / speeds["harness"]
    print(figure("score_speed", speeds["tgl"], "probes/s", "lm_eval 0.4.13", ratio, GOAL, least=True))


def harness(model, tokenizer, probes, folder: Path, *, batch: int):
    """Return a function that scores the probes by the harness and returns their log-likelihoods."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    bos = tokenizer.bos_token or tokenizer.eos_token
    names = export_lm_eval(probes, folder, "bench", first_token=bos, say=lambda line: None)
    wrapped = HFLM(model, tokenizer=tokenizer, device="cpu", batch_size=batch)
    tasks = TaskManager(include_path=str(folder), include_defaults=False)

    def run() -> dict[str, float]:
        found = lm_eval.simple_evaluate(
            wrapped, tasks=["bench"], task_manager=tasks, log_samples=True, bootstrap_iters=0
        )
        return {
            sample["doc"]["id"]: sample["log_likelihood"]
            for name in names
            for sample in found["samples"][name]
        }

    return run


if __name__ == "__main__":
    main()
