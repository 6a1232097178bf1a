"""Short calls of the stages that take a model, a tokenizer and text."""

from tests.support.model_fixtures import BLOCK, write_probes
from tests.train.continual_runs import PERIODS
from tgl.analysis.agreement import agree
from tgl.analysis.settings import AgreeConfig
from tgl.evaluate.stage import score_checkpoint
from tgl.models.checkpoint import load_checkpoint
from tgl.models.settings import ModelConfig, PretrainConfig
from tgl.profiling.along import profile_along
from tgl.profiling.settings import ProfileConfig
from tgl.train.base import Base, train_base
from tgl.train.settings import EngineConfig

PROFILE = ProfileConfig(examples=3, bootstrap=100)


def base(tmp_path, tokenizer, tokens, block_size=BLOCK, **settings):
    pretrain = PretrainConfig(steps=1, batch_size=2, keep=[], learning_rate=0.006)
    given = {"layers": 2, "hidden_size": 16, "heads": 2, "pretrain": pretrain} | settings
    wanted = Base(
        tokenizer=tokenizer,
        tokens=tokens,
        output=tmp_path / "model",
        steps=tmp_path / "steps.parquet",
        state=tmp_path / "state",
        model=ModelConfig(**given),
        block_size=block_size,
        engine=EngineConfig(engine="plain"),
        seed=0,
    )
    train_base(wanted)


def score(tmp_path, model, tokenizer, tokens, block_size=BLOCK):
    probes = write_probes(tmp_path / "probes.parquet")
    score_checkpoint(
        model, tokenizer, probes=probes, texts={"base": tokens}, checkpoint="20200101", block_size=block_size,
        folder=tmp_path,
    )  # fmt: skip


def along(folder, probes, corpus):
    return profile_along({0: folder}, probes, corpus, period=PERIODS[0], settings=PROFILE, seed=0)


def agreed(folder, profile, probes):
    return agree(load_checkpoint(folder), profile, probes, settings=AgreeConfig(), seed=0)
