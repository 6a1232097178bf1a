"""Whole commands on an adapter, and on a model that brings code of its own."""

import json
import shutil
import subprocess
import sys

from tests.models.fit.stages import score
from tests.support.model_fixtures import BLOCK, VOCABULARY, tiny_tokenizer
from tests.support.paths import REPOSITORY
from tgl.core.tables.read import read_table
from tgl.models.checkpoint import load_model


def run(*arguments, **options):
    command = [sys.executable, "-m", "tgl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=300, **options)


def test_the_command_line_merges_an_adapter_when_it_is_asked_to(tmp_path, inputs, adapter):
    arguments = [
        "score", adapter, "--probes", inputs / "probes.parquet", "--text", f"base={inputs / 'base.parquet'}",
        "--output", tmp_path / "merged", "--checkpoint", "20200101",
        "--config", f'{{"block_size": {BLOCK}, "vocab_size": {VOCABULARY}}}',
    ]  # fmt: skip
    done = run(*arguments, "--merge-adapter")
    assert done.returncode == 0, done.stderr
    score(tmp_path / "plain", load_model(inputs / "base"), tiny_tokenizer(), inputs / "base.parquet")
    losses = [
        read_table(folder / "lm_loss.parquet", "lm_loss")["negative_log_likelihood"][0].as_py()
        for folder in (tmp_path / "merged", tmp_path / "plain")
    ]
    assert losses[0] != losses[1]


def test_the_command_line_asks_no_question_and_prints_no_traceback(tmp_path, inputs):
    model = tmp_path / "model"
    shutil.copytree(inputs / "base", model)
    config = json.loads((model / "config.json").read_text())
    own = {"model_type": "its_own", "auto_map": {"AutoConfig": "own.Own", "AutoTokenizer": ["own.Own", None]}}
    (model / "config.json").write_text(json.dumps(config | own))
    (model / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    done = run(
        "profile", model, "--probes", inputs / "probes.parquet", "--corpus", inputs / "base.parquet",
        "--output", tmp_path / "out", input="y\n" * 20,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{model / 'config.json'}: names code of its own" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ran").exists()
