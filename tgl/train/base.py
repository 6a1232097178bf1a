"""Stage `base`: pretrain a model from scratch on the base text, or load a model and optionally adapt it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.code_hash import code_hash
from tgl.core.tables.write import write_table
from tgl.core.vocabulary import TRAIN
from tgl.models.checkpoint import copy_model, load_model, make_model, save_model, weights_hash
from tgl.models.fit import check_block_size, check_tokenizer
from tgl.models.randomness import draws_random_numbers
from tgl.models.settings import ModelConfig
from tgl.models.sublayers import ranked, sublayers
from tgl.models.tokenizer import load_tokenizer
from tgl.plans.apply import freeze, parameter_groups
from tgl.plans.plan import Plan
from tgl.text.tokens import check_packed, read_stream
from tgl.train.engines import Engine, make_engine
from tgl.train.loop import Steps, train
from tgl.train.metrics import tracked
from tgl.train.processes import first_only, is_first, join, on_first, world_size
from tgl.train.progress import TrainingLog, read_progress
from tgl.train.settings import EngineConfig
from tgl.train.state import claimed_state, damage, remove_state, seal
from tgl.train.stream import TokenStream

_SAVE_EVERY = 100  # Optimiser steps between saved states.


@dataclass(frozen=True)
class Base:
    """The inputs, settings and outputs of a base model.

    Attributes:
        tokenizer: Folder or name of the tokenizer.
        tokens: The table `tokens` of the base text.
        output: The folder for the model.
        steps: The file for the table `steps`.
        state: The folder from which an interrupted run resumes.
        model: Architecture, shape and pretraining of the model.
        block_size: Tokens of a sequence.
        engine: Settings of the engine.
        seed: Seed of initialisation and data order.
    """

    tokenizer: str | Path
    tokens: str | Path
    output: Path
    steps: Path
    state: Path
    model: ModelConfig
    block_size: int
    engine: EngineConfig
    seed: int

    def kept(self, step: int) -> Path:
        """Return the state's folder with the weights before a step."""
        return self.state / "along" / str(step)


def train_base(base: Base, say: Callable[[str], None] = print) -> None:
    """Train the base model, and write the model and the table of its training steps.

    Weights kept during training (`pretrain.keep`) go to `output`/along/<step>.

    Args:
        base: Inputs, settings and outputs.
        say: Called with log lines.

    Raises:
        TglError: A loaded model, the tokenizer, the tokens and the block size do not fit together. It is raised before
            any training.
    """
    if world_size() > 1:
        join()  # This assigns a GPU to each process. It must come before the model is created.
    tokenizer = load_tokenizer(base.tokenizer)
    model = _model(base, tokenizer, first_only(say))
    check_packed([base.tokens], tokenizer)
    say = first_only(say)
    rows = []
    with contextlib.ExitStack() as stack:
        if base.model.pretrain.steps:
            identity = _identity(base, model)
            inputs = {"tokens": base.tokens}
            on_first(lambda: stack.enter_context(claimed_state(base.state, identity, inputs, say=say)))
            rows = [{"period": "base", **row} for row in _pretrained(base, model, tokenizer, say=say).steps]
        on_first(lambda: _publish(base, model, tokenizer, rows=rows))


def _model(base: Base, tokenizer: PreTrainedTokenizerBase, say: Callable[[str], None]) -> PreTrainedModel:
    """Return the model before training: with random weights, or loaded and checked."""
    settings = base.model
    if settings.load is None:
        return make_model(settings, tokenizer, base.block_size, seed=base.seed)
    model = load_model(settings.load, merge_adapter=settings.merge_adapter, say=say)
    sublayers(model)  # Raises TglError for an unknown architecture.
    check_tokenizer(model, tokenizer)
    check_block_size(model, base.block_size)
    return model


def _identity(base: Base, model: PreTrainedModel) -> dict:
    """Return the settings that determine the training state."""
    # With dropout, the result depends on how rows are distributed among passes and processes.
    draws = draws_random_numbers(model)
    return ({"processes": world_size()} if draws else {}) | {
        "code": code_hash("tgl.train.base"),
        "model": base.model.model_dump_json(exclude=None if draws else {"pretrain": {"micro_batch_size"}}),
        "seed": base.seed,
        "block_size": base.block_size,
        "precision": base.engine.precision,
        "initial weights": weights_hash(model),
    }


def _pretrained(
    base: Base, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, say: Callable[[str], None]
) -> TrainingLog:
    """Train every unit of the model, and keep the weights at the configured steps."""
    plan, settings = everything(model), base.model.pretrain
    freeze(model, plan)

    def engine() -> Engine:
        groups = parameter_groups(
            sublayers(model), plan, settings.learning_rate, weight_decay=settings.weight_decay
        )
        return make_engine(model, groups, settings, engine=base.engine, seed=base.seed)

    def keep(step: int) -> None:
        if is_first():
            save_model(model, tokenizer, base.kept(step))
            seal(base.kept(step), _seal_of(base.kept(step)))

    on_first(lambda: _check_kept(base, say))
    stream = TokenStream(read_stream(base.tokens, TRAIN), tokenizer.eos_token_id, base.seed)
    steps = Steps([(0, engine)], stream, settings, base.block_size)
    with tracked(base.state, say) as track:
        return train(
            steps,
            base.state / "training",
            save_every=_SAVE_EVERY,
            say=say,
            look=keep,
            look_at=settings.kept,
            metrics=track,
        )


def _publish(
    base: Base, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, rows: list[dict]
) -> None:
    """Write the outputs that the workflow declares, the table last, and remove the state."""
    for step in base.model.pretrain.kept if rows else ():
        copy_model(base.kept(step), base.output / "along" / str(step))
    save_model(model, tokenizer, base.output)
    write_table(rows, base.steps, "steps")
    remove_state(base.state)


def _check_kept(base: Base, say: Callable[[str], None]) -> None:
    """Remove the training state if kept weights of earlier steps are damaged, so that training restarts at step 0."""
    done, _ = read_progress(base.state / "training", say)
    for folder in (base.kept(step) for step in base.model.pretrain.kept if step < done):
        if what := damage(folder, _seal_of(folder)):
            say(f"{what}; kept weights are damaged, so training restarts from step 0")
            shutil.rmtree(base.state / "training")
            return


def _seal_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.done")


def everything(model) -> Plan:
    """Return the plan of a base model, which trains every unit including `embedding`."""
    units = sublayers(model)
    total = sum(unit.num_parameters for unit in units)
    names = [unit.name for unit in ranked(units)]
    return Plan("base", 1.0, dict.fromkeys(names, 1.0), "", total, total)
