"""Names of files and folders as people have them: each subcommand takes them as they are."""

import json

import pytest

from tests.cli.running import passes
from tests.export.experiment import dump, recorded
from tests.support.model_fixtures import tiny_tokenizer
from tests.train.continual_runs import write_inputs
from tgl.core.tables.read import check_table, read_table
from tgl.provenance.manifest import read_manifest

NAMES = [
    '[a]*{b} {date} c\'d "e" é☃ %20#?$HOME',
    "-x::y:z",
    "two\nlines\t~",
    "-" + "n" * 240,
    "ü" * 120,
]


@pytest.mark.parametrize("name", NAMES)
def test_data_subcommands_take_any_name(tmp_path, monkeypatch, name):
    """Relative paths, so that some begin with a dash, in a folder of such a name."""
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    for date in ("20220101", "20240101"):
        (folder / f"-{date}.xml").write_text(dump(date, "https://de.wikipedia.org/wiki/H", "de"))
        passes("files", f"--output=-{date}.files", "--", f"-{date}.xml")
        passes("pages", f"--output=-{date}.parquet", "--", f"-{date}.files")
    passes("diff", f"--output={name}", "--language=de", "--", "-20220101.parquet", "-20240101.parquet")
    assert check_table(folder / name, "diff") == 3
    lines = folder / f"{name[:100]}.jsonl"
    lines.write_text(
        "".join(json.dumps({"id": n, "title": "t", "text": "a b " * 9}) + "\n" for n in range(9))
    )
    passes("base-text", "--output=base", "--", lines.name)
    tiny_tokenizer().save_pretrained(folder / "-given")
    settings = json.dumps({"tokenizer": str(folder / "-given")})
    passes("tokenizer", "--output=-tokens", "--config", settings, "--", "-20220101.parquet")
    packed = passes("pack", "--kind=pages", "--tokenizer=-tokens", f"--output={name}.t"[:200], "--", "base")
    assert packed == ""
    query = {"query": "S lives in _X_.", "answer": [{"wikidata_id": "Q1", "name": "Ada"}], "date": "20220101",
             "id": "Q2_P1_20220101", "relation": "P1", "subject": "S"}  # fmt: skip
    later = query | {
        "answer": [{"wikidata_id": "Q3", "name": "Eve"}],
        "date": "20240101",
        "id": "Q2_P1_20240101",
    }
    (folder / "-w.jsonl").write_text(json.dumps(query) + "\n" + json.dumps(later) + "\n")
    passes("probes", "--base-pages=base", "--wikidata=-w.jsonl", f"--output={name[:200]}.p", "--config",
           '{"sets": ["wikidata"]}', "20220101", "20240101")  # fmt: skip
    assert check_table(folder / f"{name[:200]}.p", "probes") == 1


@pytest.mark.parametrize("name", NAMES[:3])
def test_model_subcommands_take_any_name(tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    write_inputs(folder)
    monkeypatch.chdir(folder)
    (folder / "base").rename(folder / "-base")
    corpus = folder / f"{name}.jsonl"
    corpus.write_text("".join(json.dumps({"text": f"Anna lives in Paris {n}."}) + "\n" for n in range(200)))
    table = f"{name}.parquet"
    (folder / "base.parquet").rename(folder / table)
    passes("score", "--probes=probes.parquet", f"--text=-a={table}", f"--output={name}",
           "--checkpoint=x", "--config", '{"block_size": 32}', "--", "-base")  # fmt: skip
    assert read_table(folder / name / "lm_loss.parquet", "lm_loss")["text"].to_pylist() == ["-a"]
    for text in (corpus.name, table):
        passes("profile", "--probes=probes.parquet", f"--corpus={text}", "--output=-out", "--config",
               '{"examples": 3, "bootstrap": 100}', "--", "./-base")  # fmt: skip
    passes("plan", "--method=tgl_fp", f"--output={name}.json", "--", "-out/profile.parquet")
    assert json.loads((folder / f"{name}.json").read_text())["method"] == "tgl_fp"


@pytest.mark.parametrize("name", NAMES[:3])
def test_subcommands_on_results_take_any_name(tmp_path, name):
    (tmp_path / name).mkdir()
    experiment = recorded(tmp_path / name, name=f"{name}.{{date}}.xml".replace("{date} ", ""))
    passes("verify", experiment.folder)
    table = experiment.folder / "probes/probes.parquet"
    assert passes("explain", table).startswith("probes/probes.parquet\n")
    passes("export", experiment.folder, "--hub-layout", tmp_path / name / name)
    listed = read_table(tmp_path / name / name / "probes/data/default/test-00000-of-00001.parquet", "probes")
    assert listed.num_rows == 1
    assert len(read_manifest(experiment.folder / "manifest.json").sources) == 3
