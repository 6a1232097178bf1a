"""Measure the peak memory of the data stages at five times the text.

    python -m benchmarks.memory [--words 1000000] [--times 5]

The texts consist of random words with Zipf-like frequencies, in two tables `pages`. In the second table one sentence of
each page differs. Each stage is a whole process. Its figure is the peak with many pages divided by that with few.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.figures import figure
from benchmarks.processes import cost

GOAL = 1.15
VOCABULARY, SENTENCE, SENTENCES = 20_000, 12, 40  # distinct words, words per sentence, sentences per page
PERIOD = "20200101"


def texts(words: int, changed: bool) -> Iterator[str]:
    """Yield pages with about `words` words in total; with `changed`, the third sentence of each page differs."""
    draw = np.random.default_rng(0)
    letters = draw.integers(ord("a"), ord("z") + 1, (VOCABULARY, 7))
    known = ["".join(map(chr, row[: 2 + place % 6])) for place, row in enumerate(letters)]
    for _ in range(max(1, words // (SENTENCE * SENTENCES))):
        ranks = (VOCABULARY ** draw.random((SENTENCES, SENTENCE))).astype(int)  # frequency falls as 1 / rank
        sentences = [" ".join(known[rank] for rank in row).capitalize() + "." for row in ranks]
        if changed:
            sentences[2] = "This sentence " + sentences[2]
        yield " ".join(sentences)


def stages(folder: Path) -> dict[str, list[object]]:
    """Return the arguments of each stage, in execution order."""
    old, new, changes, tokenizer = (folder / name for name in ("old", "new", "diff", "tokenizer"))
    packing = ("pack", "--tokenizer", tokenizer, "--config", '{"block_size": 512}')
    sets = {"sets": ["ecbd"], "ecbd": {"files": [str(folder / "ecbd.json")], "period": PERIOD}}
    return {
        "base-text": ["base-text", folder / "old.jsonl", "--output", old],
        "base-text of the next date": ["base-text", folder / "new.jsonl", "--output", new],
        "diff": ["diff", old, new, "--output", changes],
        "tokenizer": ["tokenizer", old, "--output", tokenizer, "--config", '{"vocab_size": 8000}'],
        "pack of pages": [*packing, old, "--kind", "pages", "--output", folder / "base"],
        "pack of a diff": [*packing, changes, "--kind", "diff", "--output", folder / "period"],
        "probes": ["probes", PERIOD, "--base-pages", old, "--output", folder / "probes", "--config", json.dumps(sets)],
    }  # fmt: skip


def peaks(words: int, folder: Path) -> dict[str, float]:
    """Return the peak memory of each stage in MiB."""
    folder.mkdir()
    for name in ("old", "new"):
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as stream:
            for number, text in enumerate(texts(words, name == "new"), 1):
                stream.write(json.dumps({"id": number, "title": f"Page {number}", "text": text}) + "\n")
    mask, answer = "It is <extra_id_0>.", "<extra_id_0> new <extra_id_1>"
    probe = {"ex_id": "1", "entity_span_str": "It", "masked_sentence": mask, "answer_str": answer}
    (folder / "ecbd.json").write_text(json.dumps([probe]))
    found = {}
    for stage, arguments in stages(folder).items():
        found[stage] = cost(sys.executable, "-m", "tgl", *arguments).memory
        print(f"{words} words, {stage}: {found[stage]:.0f} MiB", flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        few = peaks(options.words, Path(scratch) / "few")
        many = peaks(options.words * options.times, Path(scratch) / "many")
    for stage, value in many.items():
        name = f"{stage}: peak memory at {options.times} times {options.words} words"
        print(figure(name, value, "MiB", "at one time", value / few[stage], GOAL, False))


if __name__ == "__main__":
    main()
