"""Stage `counterfactual`: write the pages of both dates and the probes of one partition."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.tables.write import write_table
from tgl.core.vocabulary import TEST, TRAIN, VALIDATION
from tgl.snapshots.catalogue import write_files
from tgl.snapshots.documents.document import page_row
from tgl.snapshots.documents.records import read_file
from tgl.snapshots.settings import CounterfactualConfig
from tgl.text.counterfactual.build import (
    Partition,
    chosen_pages,
    partition,
    probes,
    statements,
    with_statements,
)
from tgl.text.counterfactual.facts import read_facts, read_wordings
from tgl.text.documents import part_of


def write_counterfactual(
    settings: CounterfactualConfig,
    dates: list[str],
    output: Path,
    *,
    holdout_share: float,
    validation_share: float,
) -> dict[str, int]:
    """Write DATE/pages/0.parquet, DATE/files.parquet and probes.parquet into the folder `output`.

    Held-out pages get no statement. All known facts that are not in the partition are left out. Half of the subjects of
    each kind are test subjects, as far as `validation_share` leaves them.

    Args:
        settings: The section `snapshots.counterfactual`.
        dates: The two dates.
        output: The folder to write.
        holdout_share: The share of held-out pages.
        validation_share: The share of the subjects whose probes choose rates and make profiles.

    Returns:
        The counts.

    Raises:
        TglError: A file is missing or cannot be used, there are not two dates, or there are too few facts or pages.
    """
    if len(dates) != 2:
        raise TglError(
            f"counterfactual: found {len(dates)} dates, expected 2. Set snapshots.dates to two dates"
        )
    given = read_facts(settings.facts)
    known = [fact for fact in given if fact.known]
    if not known:
        raise TglError(
            f"{settings.facts}: found no fact whose ranks are all 1. Measure them with `tgl known-facts` first"
        )
    wordings = read_wordings(settings.wordings, {fact.relation for fact in known})
    drawn = partition(known, settings)
    old = chosen_pages(read_file(settings.old_text), settings.old_characters, seed="old")
    new = chosen_pages(
        read_file(settings.new_text), settings.new_characters, seed=f"new:{settings.partition}"
    )
    trained = [page for page in new if part_of(page.page_id, holdout_share) == TRAIN]
    sentences = statements(drawn, wordings, settings.exposures, seed=settings.partition)
    texts = with_statements([page.text for page in trained], sentences, seed=settings.partition)
    changed = {page.identity: text for page, text in zip(trained, texts, strict=True)}
    for date, pages, source in zip(dates, (old, new), (settings.old_text, settings.new_text), strict=True):
        write_files([source], output / date / "files.parquet", {"source": "counterfactual"})
        rows = [page_row(replace(page, text=changed.get(page.identity, page.text))) for page in pages]
        rows.sort(key=lambda row: row["page_id"])
        write_table(rows, output / date / "pages" / "0.parquet", "pages", counts={"kept": len(rows)})
    rows = list(probes(drawn, wordings, dates[1], split=_splits(drawn, settings.partition, validation_share)))
    counts = dict(Counter(f"{row['set']} {row['kind']} {row['split']}" for row in rows))
    share = round(100 * sum(map(len, sentences)) / sum(map(len, texts)))
    counts |= {
        "facts": len(given),
        "known": len(known),
        "known, without another answer": drawn.without_other,
        "statements": len(sentences),
        "percent of the new text": share,
    }
    write_table(rows, output / "probes.parquet", "probes", counts=counts)
    return counts


def _splits(drawn: Partition, seed: int, validation_share: float) -> dict[str, str]:
    """Return the split of each subject, with the same share in every group."""
    rng, found = random.Random(f"split:{seed}"), {}
    for facts in (drawn.updated, drawn.near, drawn.far, drawn.new):
        subjects = sorted({fact.subject for fact in facts} - set(found))
        chosen = set(rng.sample(subjects, round(validation_share * len(subjects))))
        found |= {subject: VALIDATION if subject in chosen else TEST for subject in subjects}
    return found
