import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.support.model_fixtures import (
    BLOCK,
    VOCABULARY,
    tiny_model,
    tiny_tokenizer,
    tokenizer_folder,
    write_tokens,
)
from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.models.checkpoint import make_model, save_model
from tgl.models.settings import ModelConfig, PretrainConfig
from tgl.models.sublayers import sublayers
from tgl.train import base
from tgl.train.base import Base, everything, train_base
from tgl.train.loop import Steps, train
from tgl.train.settings import TrainConfig

ENGINE = TrainConfig(engine="plain")


def shape(steps=12, keep=(), **changes):
    pretrain = PretrainConfig(steps=steps, keep=list(keep), batch_size=2, learning_rate=0.01)
    return ModelConfig(layers=2, hidden_size=16, heads=2, pretrain=pretrain, **changes)


def made(folder, settings, seed=0, say=lambda text: None):
    tokens = folder / "tokens.parquet"
    if not tokens.exists():
        write_tokens(tokens)
    wanted = Base(
        tokenizer=tokenizer_folder(),
        tokens=tokens,
        output=folder / "model",
        steps=folder / "steps.parquet",
        state=folder / "state",
        model=settings,
        block_size=BLOCK,
        engine=ENGINE,
        seed=seed,
    )
    train_base(wanted, say)
    return AutoModelForCausalLM.from_pretrained(folder / "model")


def same(one, other):
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_pretraining_lowers_the_loss_logs_each_step_and_leaves_no_state(tmp_path):
    model = made(tmp_path, shape(steps=40))
    steps = read_table(tmp_path / "steps.parquet", "steps").to_pandas()
    assert steps["step"].tolist() == list(range(40))
    assert set(steps["period"]) == {"base"}
    assert steps["loss"].iloc[-5:].mean() < steps["loss"].iloc[:5].mean() - 0.5
    assert not (tmp_path / "state").exists()
    assert model.config.n_positions == BLOCK


def test_weights_are_kept_as_they_were_before_the_steps_asked_for(tmp_path):
    for name in ("kept", "plain"):
        (tmp_path / name).mkdir()
    model = made(tmp_path / "kept", shape(keep=(0, 1, 5)))
    assert same(model, made(tmp_path / "plain", shape()))  # keeping does not change training
    assert not (tmp_path / "plain" / "model" / "along").exists()
    along = {
        int(folder.name): AutoModelForCausalLM.from_pretrained(folder)
        for folder in (tmp_path / "kept" / "model" / "along").iterdir()
    }
    assert sorted(along) == [0, 1, 5]
    assert same(along[0], make_model(shape(), tiny_tokenizer(), BLOCK, seed=0))
    steps = [along[0], along[1], along[5], model]
    for before, after in zip(steps, steps[1:], strict=False):
        assert not same(before, after)
    # The warm-up's first step of Adam moves a weight by its rate at most, the four after it by more.
    moved = [
        max((p - q).abs().max().item() for p, q in zip(a.parameters(), b.parameters(), strict=True))
        for a, b in ((along[0], along[1]), (along[1], along[5]))
    ]
    assert 0 < moved[0] < 0.0101 < moved[1]


def test_pretraining_trains_every_unit_embedding_too(tmp_path):
    model = made(tmp_path, shape())
    start = make_model(shape(), tiny_tokenizer(), BLOCK, seed=0)
    before = {name: p for unit in sublayers(start) for name, p in unit.parameters.items()}
    for unit in sublayers(model):
        assert any(not torch.equal(p, before[name]) for name, p in unit.parameters.items()), unit.name


def test_the_plan_of_a_base_model_has_every_unit_at_one():
    plan = everything(tiny_model())
    assert [plan.of(unit.name) for unit in sublayers(tiny_model())] == [1.0] * 5
    assert plan.trainable_parameters == sum(p.numel() for p in tiny_model().parameters())


def test_the_base_model_is_a_function_of_the_seed(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    one = made(tmp_path / "a", shape(), seed=4)
    assert same(one, made(tmp_path / "b", shape(), seed=4))
    assert not same(one, made(tmp_path / "c", shape(), seed=5))


def test_an_interrupted_base_gives_the_same_bytes(tmp_path, monkeypatch):
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    made(tmp_path / "whole", shape(keep=(0, 6, 7, 11)))

    def often(*given, **options):  # saves every 3 steps where the stage saves every 100
        return train(*given, **options | {"save_every": 3})

    def killed(steps, *given, **options):
        ((first, make),) = steps.phases

        def makes():
            engine = make()
            step, calls = engine.step, iter(range(100))

            def counted(*given):
                if next(calls) == 7:
                    raise KeyboardInterrupt
                return step(*given)

            engine.step = counted
            return engine

        cut = Steps([(first, makes)], steps.stream, steps.settings, steps.block_size)
        return often(cut, *given, **options)

    monkeypatch.setattr(base, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "cut", shape(keep=(0, 6, 7, 11)))
    assert not (tmp_path / "cut" / "model").exists()
    monkeypatch.setattr(base, "train", often)
    said = []
    made(tmp_path / "cut", shape(keep=(0, 6, 7, 11)), say=said.append)
    assert "resumed at step 6 of 12" in said
    kept = [f"model/along/{step}/model.safetensors" for step in (0, 6, 7, 11)]
    for name in ("model/model.safetensors", "steps.parquet", *kept):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_no_pretraining_passes_a_loaded_model_on_unchanged(tmp_path):
    save_model(tiny_model("llama", seed=7), tiny_tokenizer(), tmp_path / "given")
    model = made(tmp_path, shape(steps=0, load=str(tmp_path / "given")))
    assert same(model, tiny_model("llama", seed=7))
    assert read_table(tmp_path / "steps.parquet", "steps").num_rows == 0


def test_a_loaded_model_is_adapted_from_its_own_weights(tmp_path):
    given = tiny_model("gpt2", seed=7)
    save_model(given, tiny_tokenizer(), tmp_path / "given")
    settings = shape(steps=1, load=str(tmp_path / "given"))
    model = made(tmp_path, settings)
    largest = max(
        (p - q).abs().max().item() for p, q in zip(model.parameters(), given.parameters(), strict=True)
    )
    assert 0 < largest < 0.0101  # one step of Adam at a rate of 0.01


def test_a_model_with_too_few_embeddings_for_the_tokenizer_is_refused(tmp_path):
    model = tiny_model()
    model.resize_token_embeddings(VOCABULARY - 1)
    save_model(model, tiny_tokenizer(), tmp_path / "given")
    with pytest.raises(
        TglError,
        match=f"has {VOCABULARY - 1} rows, and the ids of the tokenizer .* go up to {VOCABULARY - 1}",
    ):
        made(tmp_path, shape(load=str(tmp_path / "given")))
