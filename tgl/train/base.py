"""Stage `base`: pretrain from scratch on the base text, or load a model and, if asked, adapt it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from tgl.config import EngineConfig, ModelConfig, TokensConfig
from tgl.fit import check_block_size, check_tokenizer
from tgl.plans.plan import Plan
from tgl.sublayers import ranked, sublayers
from tgl.tables import write_table
from tgl.text.tokens import check_packed, load_tokenizer, read_stream
from tgl.train.checkpoint import copy_model, load_model, make_model, save_model, weights_hash
from tgl.train.engines import Engine, make_engine
from tgl.train.groups import freeze, parameter_groups
from tgl.train.loop import train
from tgl.train.processes import first_only, is_first, join, on_first, world_size
from tgl.train.progress import read_progress
from tgl.train.state import claimed_state, damage, remove_state, seal
from tgl.train.stream import TokenStream

_SAVE_EVERY = 100  # steps


def train_base(
    tokenizer: str | Path,
    tokens: str | Path,
    settings: ModelConfig,
    token_settings: TokensConfig,
    engine_settings: EngineConfig,
    seed: int,
    output: Path,
    steps_output: Path,
    state: Path,
    say: Callable[[str], None] = print,
) -> None:
    """Write the base model to folder `output` and its training steps to `steps_output`.

    Weights kept on the way (`pretrain.keep`) go to `output`/along/<step>. `seed` fixes initialisation and data
    order. An interrupted run goes on from the folder `state`. Raises TglError, before any training, where a loaded
    model, the tokenizer, the tokens and the block size do not fit together.
    """
    if world_size() > 1:
        join()  # which gives each process its own GPU, before there is a model
    loaded_tokenizer = load_tokenizer(tokenizer)
    if settings.load is None:
        model = make_model(settings, loaded_tokenizer, token_settings.block_size, seed)
    else:
        model = load_model(settings.load, merge_adapter=settings.merge_adapter, say=first_only(say))
        sublayers(model)  # refuses an architecture whose blocks are not known
        check_tokenizer(model, loaded_tokenizer)
        check_block_size(model, token_settings.block_size)
    check_packed([tokens], loaded_tokenizer)
    say = first_only(say)

    def leave(rows: list[dict]) -> None:
        for step in settings.pretrain.kept if rows else ():
            copy_model(state / "along" / str(step), output / "along" / str(step))
        save_model(model, loaded_tokenizer, output)
        write_table(rows, steps_output, "steps")
        remove_state(state)

    if not settings.pretrain.steps:
        on_first(lambda: leave([]))
        return
    plan = everything(model)
    identity = {
        "model": settings.model_dump_json(exclude={"pretrain": {"micro_batch_size"}}),
        "seed": seed,
        "block_size": token_settings.block_size,
        "precision": engine_settings.precision,
        "initial weights": weights_hash(model),
    }
    with contextlib.ExitStack() as stack:
        on_first(lambda: stack.enter_context(claimed_state(state, identity, {"tokens": tokens}, say)))
        freeze(model, plan)

        def engine() -> Engine:
            groups = parameter_groups(
                sublayers(model), plan, settings.pretrain.learning_rate, settings.pretrain.weight_decay
            )
            return make_engine(model, groups, settings.pretrain, engine_settings, seed=seed)

        def keep(step: int) -> None:
            if step in settings.pretrain.kept and is_first():
                folder = state / "along" / str(step)
                save_model(model, loaded_tokenizer, folder)
                seal(folder, _seal_of(folder))

        on_first(lambda: _check_kept(state, settings.pretrain.kept, say))
        log = train(
            [(0, engine)],
            TokenStream(read_stream(tokens, "train"), loaded_tokenizer.eos_token_id, seed),
            settings.pretrain,
            token_settings.block_size,
            state / "training",
            _SAVE_EVERY,
            say,
            keep,
        )
        on_first(lambda: leave([{"period": "base", **row} for row in log.steps]))


def _check_kept(state: Path, kept: Iterable[int], say: Callable[[str], None]) -> None:
    """Remove the training's state where weights kept before it are damaged: only the start can give them again."""
    done, _ = read_progress(state / "training", say)
    for folder in (state / "along" / str(step) for step in kept if step < done):
        if what := damage(folder, _seal_of(folder)):
            say(f"{what}; weights kept on the way are damaged, all steps are done again")
            shutil.rmtree(state / "training")
            return


def _seal_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.done")


def everything(model) -> Plan:
    """Return the plan that trains every unit, `embedding` too: how a base model is made."""
    units = sublayers(model)
    total = sum(unit.num_parameters for unit in units)
    names = [unit.name for unit in ranked(units)]
    return Plan("base", 1.0, dict.fromkeys(names, 1.0), "", total, total)
