import pytest

from tests.support.model_fixtures import (
    BLOCK,
    TEXTS,
    probe,
    tiny_model,
    tiny_tokenizer,
    write_probes,
    write_tokens,
)
from tgl.core.tables.read import read_table
from tgl.evaluate.score import span_scores, text_loss
from tgl.evaluate.spans import span_tokens
from tgl.evaluate.stage import score_checkpoint
from tgl.text.tokens import read_stream, write_blocks


def scored(folder, texts, rows=None, model=None):
    probes = write_probes(folder / "probes.parquet", rows)
    model = model or tiny_model(spread=6)
    score_checkpoint(
        model, tiny_tokenizer(), probes=probes, texts=texts, checkpoint="20200101", block_size=BLOCK, folder=folder
    )  # fmt: skip
    return tuple(read_table(folder / f"{name}.parquet", name).to_pylist() for name in ("scores", "lm_loss"))


def test_validation_and_test_probes_are_scored_and_those_of_training_are_not(tmp_path):
    rows = [
        probe(split, "Anna Berg lives in Oslo", "Oslo", split=split)
        for split in ("validation", "test", "train")
    ]
    scores, losses = scored(tmp_path, {}, rows)
    assert [(row["probe"], row["split"]) for row in scores] == [
        (split, split) for split in ("validation", "test")
    ]
    assert losses == []
    span = span_tokens(tiny_tokenizer(), "Anna Berg lives in Oslo", (19, 23), max_length=BLOCK)
    expected = span_scores(tiny_model(spread=6), [span]).log_likelihood[0]
    assert [row["log_likelihood"] for row in scores] == [pytest.approx(expected, abs=1e-5)] * 2
    assert [row["num_candidates"] for row in scores] == [0, 3]  # only a test probe is ranked
    assert scores[0]["rank"] == 0 < scores[1]["rank"]


def test_the_held_out_part_of_each_text_is_scored_under_its_name(tmp_path):
    texts = {
        "base": write_tokens(tmp_path / "base.parquet", held_out=2),
        "20200101": write_tokens(tmp_path / "new.parquet", held_out=5),
    }
    _, losses = scored(tmp_path, texts)
    assert [row["text"] for row in losses] == ["base", "20200101"]
    for row in losses:
        stream = read_stream(texts[row["text"]], "held_out")
        expected, _ = text_loss(
            tiny_model(spread=6), stream, BLOCK, begin_token=tiny_tokenizer().eos_token_id
        )
        assert row["negative_log_likelihood"] == pytest.approx(expected)
        assert (row["num_tokens"], row["checkpoint"]) == (len(stream), "20200101")


def test_a_text_without_a_held_out_part_gives_a_row_of_no_tokens(tmp_path):
    write_blocks([("train", TEXTS[0])], tiny_tokenizer(), BLOCK, output=tmp_path / "t.parquet")
    _, losses = scored(tmp_path, {"base": tmp_path / "t.parquet"})
    assert [(row["num_tokens"], row["negative_log_likelihood"]) for row in losses] == [(0, 0.0)]


def test_no_probe_of_validation_or_test_gives_an_empty_table(tmp_path):
    scores, _ = scored(tmp_path, {}, [probe("a", "Anna Berg lives in Oslo", "Oslo", split="train")])
    assert scores == []
