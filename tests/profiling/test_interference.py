import pytest
import torch
from torch.nn import functional

from tests.support.model_fixtures import (
    BLOCK,
    RANKED,
    sharp_model,
    some_examples,
    some_tokens,
    tiny_model,
    tiny_tokenizer,
    write_probes,
    write_tokens,
)
from tgl.core.errors import TglError
from tgl.core.tables.read import read_about, read_table
from tgl.core.tables.write import write_table
from tgl.models.checkpoint import save_model
from tgl.models.sublayers import ranked, sublayers
from tgl.profiling.interference import traces, uptakes, write_interference
from tgl.profiling.settings import ProfileConfig

SETTINGS = ProfileConfig(examples=3, bootstrap=100, window_tokens=BLOCK)


def units_of(model):
    return list(ranked(sublayers(model)))


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mamba"])
def test_uptake_is_the_l1_norm_of_the_mean_gradient(kind):
    model = sharp_model(kind)
    units, spans = units_of(model), some_examples(3)
    found = uptakes(model, units, spans)
    model.zero_grad()
    losses = []
    for span in spans:
        ids = torch.tensor([span.ids])
        logits = model(input_ids=ids).logits[0, :-1]
        losses.append(functional.cross_entropy(logits[span.first - 1 :], ids[0, span.first :]))
    torch.stack(losses).mean().backward()
    for unit in units:
        wanted = sum(p.grad.abs().sum().item() for p in unit.parameters.values() if p.grad is not None)
        assert found[unit.name] == pytest.approx(wanted, rel=1e-4)


def test_the_trace_is_the_mean_squared_gradient_of_drawn_labels():
    """With many draws for one position the trace nears the exact one, the expectation over the model's labels."""
    model = sharp_model("gpt2")
    units = units_of(model)
    ids = torch.tensor([some_tokens(2)])
    exact = dict.fromkeys([unit.name for unit in units], 0.0)
    logits = model(input_ids=ids).logits[0, 0]
    log_probabilities = logits.log_softmax(-1)
    for label, probability in enumerate(log_probabilities.exp().tolist()):
        model.zero_grad()
        model(input_ids=ids).logits[0, 0].log_softmax(-1)[label].backward()
        for unit in units:
            squares = sum(p.grad.square().sum().item() for p in unit.parameters.values())
            exact[unit.name] += probability * squares
    found = traces(model, units, ids.repeat(400, 1), seed=0)
    for name, value in exact.items():
        assert found[name] == pytest.approx(value, rel=0.2)


@pytest.fixture
def inputs(tmp_path):
    save_model(tiny_model(), tiny_tokenizer(), tmp_path / "model")
    write_probes(tmp_path / "probes.parquet")
    write_tokens(tmp_path / "tokens.parquet", repeat=4)
    return tmp_path


def written(folder, **changes):
    given = {"salient": "updated", "period": "20200101", "settings": SETTINGS} | changes
    paths = {"probes": folder / "probes.parquet", "tokens": folder / "tokens.parquet"}
    write_interference(folder / "model", **paths, output=folder / "i.parquet", **given)
    return read_table(folder / "i.parquet", "interference").to_pylist()


def test_the_stage_writes_a_row_for_each_ranked_sublayer_and_repeats(inputs):
    rows = written(inputs)
    assert [row["sublayer"] for row in rows] == list(RANKED)
    assert all(row["uptake"] > 0 and row["fisher"] > 0 for row in rows)
    assert written(inputs) == rows


def test_without_probes_of_the_kind_or_enough_text_it_is_refused(inputs):
    write_probes(inputs / "probes.parquet", [])
    with pytest.raises(TglError, match="no validation probe of kind 'updated'"):
        written(inputs)
    write_probes(inputs / "probes.parquet")
    write_tokens(inputs / "tokens.parquet", repeat=1)
    settings = SETTINGS.model_copy(update={"window_tokens": 10_000})
    assert len(written(inputs, settings=settings)) == len(RANKED)  # a window is never longer than the model


def test_text_of_another_tokenizer_is_refused(inputs):
    about = read_about(inputs / "tokens.parquet")
    table = read_table(inputs / "tokens.parquet", "tokens")
    write_table(table, inputs / "tokens.parquet", "tokens", about=about | {"vocabulary_sha256": "another"})
    with pytest.raises(TglError, match="packed with another tokenizer"):
        written(inputs)


def test_the_period_that_was_taken_is_recorded_and_a_period_without_probes_is_reported(inputs):
    written(inputs)
    assert read_about(inputs / "i.parquet")["period taken"] == "20200101"
    with pytest.warns(
        UserWarning, match="no validation probe of period 20991231; each kind uses .* earliest"
    ):
        written(inputs, period="20991231")
    assert read_about(inputs / "i.parquet")["period taken"] == "20200101"
