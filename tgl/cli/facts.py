"""Subcommands about facts: which of them a model knows, and real text in which some of them change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import MergeAdapter, Seed, Threads, command, say, set_up_torch
from tgl.cli.inputs import Checked
from tgl.cli.options import RisingDates, Root
from tgl.cli.sections import Keys
from tgl.config.files import data_path
from tgl.core.errors import TglError
from tgl.probes.settings import ProbesConfig
from tgl.snapshots.settings import COUNTERFACTUAL_FILES, CounterfactualConfig
from tgl.text.settings import TextConfig


@command("known-facts")
def known_facts(
    model: Annotated[str, typer.Argument(help="Folder or Hugging Face name of the model.")],
    facts: Annotated[Path, typer.Option(help="Facts as JSON lines {relation, subject, answer}.")],
    wordings: Annotated[
        Path, typer.Option(help="JSON with the sentences of each relation, as in examples/pretrained.")
    ],
    output: Annotated[
        Path, typer.Option(help="JSON lines to write: the facts with the ranks of the answers.")
    ],
    candidates: Annotated[
        int, typer.Option(help="Candidate answers that are ranked, the right one included.", min=2, max=1000)
    ] = 12,
    seed: Seed = 0,
    merge_adapter: MergeAdapter = False,
    threads: Threads = 1,
) -> None:
    """Measure which facts a model knows: the rank of each answer in every wording of the probes."""
    Checked().model(model).file("facts as JSON lines", facts).file("wordings as JSON", wordings).output(
        output
    )
    from collections import Counter
    from dataclasses import asdict

    from tgl.core.files import write_text
    from tgl.evaluate.known_facts import ranked_facts
    from tgl.models.checkpoint import load_model
    from tgl.models.tokenizer import load_tokenizer
    from tgl.text.counterfactual.facts import read_facts, read_wordings

    given = read_facts(facts)
    sentences = read_wordings(wordings, {fact.relation for fact in given})
    set_up_torch(threads)
    network = load_model(model, merge_adapter=merge_adapter, say=say)
    found = list(
        ranked_facts(
            network, load_tokenizer(model), given, wordings=sentences, candidates=candidates, seed=seed
        )
    )
    write_text(output, "".join(json.dumps(asdict(fact)) + "\n" for fact in found))
    every = Counter(fact.relation for fact in found)
    known = Counter(fact.relation for fact in found if fact.known)
    for relation, number in sorted(every.items()):
        say(f"{relation}: {known[relation]} of {number} known in every wording")
    if alone := sum(not fact.ranks for fact in found):
        say(f"not ranked, because their relation has no other answer: {alone}")
    say(f"all: {known.total()} of {every.total()} known in every wording")


@command("counterfactual")
def counterfactual(
    dates: RisingDates,
    output: Annotated[
        Path,
        typer.Option(help="Folder that gets DATE/pages/0.parquet, DATE/files.parquet and probes.parquet."),
    ],
    settings: Annotated[CounterfactualConfig, Keys("snapshots.counterfactual")],
    text: Annotated[TextConfig, Keys("text", only=("holdout_share",), given=None)],
    probes: Annotated[ProbesConfig, Keys("probes", only=("validation_share",), given=None)],
    root: Root,
) -> None:
    """Write real text of two dates, with changed facts inside the later text."""
    for key in COUNTERFACTUAL_FILES:
        if getattr(settings, key) is None:
            raise TglError(f"--{key.replace('_', '-')}: found none, expected a file")
    settings = settings.model_copy(
        update={key: data_path(root.data_root, getattr(settings, key)) for key in COUNTERFACTUAL_FILES}
    )
    given = Checked()
    for key in COUNTERFACTUAL_FILES:
        given.file(f"a file of {key}", getattr(settings, key))
    given.output_folder(output)
    from tgl.text.counterfactual.stage import write_counterfactual

    counts = write_counterfactual(
        settings,
        dates,
        output,
        holdout_share=text.holdout_share,
        validation_share=probes.validation_share,
    )
    say(str(counts))
