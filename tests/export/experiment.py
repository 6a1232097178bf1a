"""An experiment on two snapshots of a small wiki in two shards, with probes and scores, recorded in a manifest."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from tests.provenance.experiment import Experiment
from tgl.core.tables.write import write_table
from tgl.snapshots.catalogue import write_files
from tgl.snapshots.extract.pages import extract_pages, shard_range
from tgl.text.diff.stage import diff_pages

DATES = ("20220101", "20240101")
PAGES_CONFIG = {"tables": False, "drop_sections": ["References", "See | also"]}


def dump(date: str, base: str, language: str, pages: int = 9) -> str:
    """Return the XML of a wiki of articles, a redirect and a talk page; the first three change with the date."""
    texts = [f"'''P{n}''' is [[Q|one]] of {pages}. {date if n < 4 else 'Same.'}" for n in range(1, pages + 1)]
    articles = "".join(
        f"<page><title>P{n}</title><ns>0</ns><id>{n}</id><revision><id>{n if n > 3 else int(date) + n}</id>"
        f"<timestamp>2021-01-01T00:00:00Z</timestamp><text>{text}</text></revision></page>"
        for n, text in enumerate(texts, 1)
    )
    others = (
        '<page><title>R</title><ns>0</ns><id>90</id><redirect title="P1" /><revision><id>90</id><text>x</text>'
        "</revision></page><page><title>Talk:P1</title><ns>1</ns><id>91</id><revision><id>91</id><text>x</text>"
        "</revision></page>"
    )
    base = escape(base)
    head = f"<siteinfo><sitename>W</sitename><dbname>wwiki</dbname><base>{base}</base></siteinfo>"
    return f'<mediawiki xml:lang="{language}">{head}{articles}{others}</mediawiki>'


def probe(number: int, split: str) -> dict:
    """Return a row of the table `probes`."""
    texts = dict.fromkeys(("set", "kind", "period", "relation", "subject", "answer_group"), "x")
    more = {"text": "a b", "span_start": 2, "span_end": 3, "split": split, "candidates": ["b", "c"][:number],
            "old_answer": ""}  # fmt: skip
    return {"id": str(number), **texts, **more}


def recorded(
    root: Path,
    base: str = "https://de.wikipedia.org/wiki/Hauptseite",
    language: str = "de",
    name: str = "dewiki-{date}.xml",
) -> Experiment:
    """Write and record the experiment `small` below a folder; `name` is that of the dump files."""
    experiment = Experiment(root / "results" / "small")
    folder, jobs = experiment.folder, []

    def job(rule: str, outputs: list[str], inputs: list, **config) -> None:
        jobs.append(experiment.declared(rule, outputs, inputs, config={"config": config}))

    for date in DATES:
        source = root / "dumps" / name.replace("{date}", date)
        source.parent.mkdir(exist_ok=True, parents=True)
        source.write_text(dump(date, base, language, 9 if date == DATES[0] else 11))
        listing = f"snapshots/{date}/files.parquet"
        write_files([source], folder / listing)
        job("local_files", [listing], [source])
        for shard in range(2):
            path = f"snapshots/{date}/pages/{shard}.parquet"
            extract_pages([source], folder / path, shard_range(shard, 2, 5))
            job("pages", [path], [folder / listing], **PAGES_CONFIG)
    for shard in range(2):
        old, new = (folder / f"snapshots/{date}/pages/{shard}.parquet" for date in DATES)
        path = f"diff/{DATES[0]}_{DATES[1]}/{shard}.parquet"
        diff_pages(old, new, folder / path, language="de")
        job("diff", [path], [old, new], diff_rule="tgl", language="de")
    path = folder / "probes/probes.parquet"
    write_table(
        [probe(n, "validation" if n else "test") for n in range(3)], path, "probes", counts={"probes": 3}
    )
    templama = root / "home" / "templama.json"
    templama.parent.mkdir()
    templama.write_text("[]")
    job(
        "probes",
        ["probes/probes.parquet"],
        [templama],
        sets=["templama"],
        templama={"file": str(templama)},
        ecbd={"files": [str(templama)]},
    )
    for number, method in enumerate(("base", "full-plain-lr0.003")):
        path = f"scores/tiny/{method}/seed0/lm_loss.parquet"
        row = {
            "checkpoint": "x",
            "text": "base",
            "num_tokens": number,
            "negative_log_likelihood": float("nan"),
        }
        write_table([row] * (number + 1), folder / path, "lm_loss")
        job("train", [path], [folder / "probes/probes.parquet"], steps=4, seed=number)
        drift = f"scores/tiny/{method}/seed0/drift.parquet"
        write_table([], folder / drift, "drift")
        job("train", [drift], [], steps=4)
    experiment.update(*jobs)
    return experiment
