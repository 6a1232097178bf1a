"""The paper's presets: they plan from an empty folder, and run end to end with a tiny twin of each family."""

import json
import threading
from functools import partial
from http.server import ThreadingHTTPServer

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoConfig

from tests.snapshots.wikimedia.dump_host import CONTACT, Handler, Host
from tests.support.model_fixtures import tiny_tokenizer
from tests.workflow.conftest import REPOSITORY, Workflow
from tgl.core.tables.read import read_about, read_table
from tgl.models.checkpoint import load_model, save_model
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world
from tgl.snapshots.world.dump import write_dump

DATES = ["20190101", "20200101", "20210101", "20220101"]
QUARTERS = {
    "20200101": ("2019-Q4", "2020-Q1"),
    "20210101": ("2020-Q4", "2021-Q1"),
    "20220101": ("2021-Q4", "2022-Q1"),
}
SHAPE = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 0}
PRESETS = ("paper-110m", "paper-770m", "paper-1.3b")
# A twin of each family, the methods that are tried on it, and by which engine; 770M is 110M but for its size.
TWINS = {
    "paper-110m": (
        GPT2Config(n_layer=3, n_embd=20, n_head=2, n_positions=32, **SHAPE),
        # LoRA on the full plan: what TGL picks in a twin of random weights may hold no attention, which LoRA refuses.
        ["full", "tgl_fp", "full+lora", "full+k_adapter"],
        "plain",
    ),
    "paper-1.3b": (
        GPTNeoConfig(
            num_layers=2,
            hidden_size=16,
            num_heads=2,
            attention_types=[[["global", "local"], 1]],
            window_size=8,
            max_position_embeddings=32,
            **SHAPE,
        ),
        ["full"],
        "deepspeed",
    ),
}

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """Return a folder with the files that the presets name: dumps of a small world, and its facts as probe files."""
    root = tmp_path_factory.mktemp("data")
    world = build_world(WorldConfig(pages=200), DATES)
    for number, date in enumerate(DATES):
        dump = write_dump(world, number, root / "written" / date)
        dump.rename(root / f"enwiki-{date}-pages-articles-multistream.xml.bz2")
    facts = list(world.facts())
    with open(root / "dynamic_templama.jsonl", "w") as file:
        for number, (period, quarters) in enumerate(QUARTERS.items()):
            for date, quarter in zip((DATES[number], period), quarters, strict=True):
                for fact in facts:
                    if fact["first_date"] <= date <= fact["last_date"]:
                        question = (
                            fact["text"][: fact["span_start"]] + "_X_" + fact["text"][fact["span_end"] :]
                        )
                        identity = f"Q{fact['subject_id']}_{fact['relation']}_{quarter}"
                        answer = [{"name": fact["object"]}]
                        record = {"id": identity, "date": quarter, "query": question, "answer": answer}
                        file.write(json.dumps(record) + "\n")
    (root / "ecbd").mkdir()
    for year in ("2020", "2021"):
        new = [fact for fact in facts if fact["first_date"] == f"{year}0101"]
        records = [
            {
                "ex_id": f"{fact['subject']}_{fact['subject_id']}_0_{number}",
                "entity_span_str": fact["subject"],
                "masked_sentence": fact["text"][: fact["span_start"]]
                + "<extra_id_0>"
                + fact["text"][fact["span_end"] :],
                "answer_str": f"<extra_id_0> {fact['object']} <extra_id_1>",
            }
            for number, fact in enumerate(new)
        ]
        (root / "ecbd" / f"{year}.json").write_text("\n".join(map(json.dumps, records)))
    return root


# Dumps and probe files in a folder, in place of a download and of probes from the dumps.
GIVEN = {
    "snapshots": {"source": "local", "local": {"pattern": "enwiki-{date}-pages-articles-multistream.xml.bz2"}},
    "probes": {
        "sets": ["templama", "ecbd"], "templama": {"file": "dynamic_templama.jsonl"},
        "ecbd": {"files": ["ecbd/2020.json", "ecbd/2021.json"]}, "max_per_kind": 40,
    },
}  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_paper_preset_dry_runs_offline_from_the_download_on(preset, tmp_path):
    contact = yaml.safe_dump({"snapshots": {"wikimedia": {"contact": CONTACT}}})
    planned = Workflow(tmp_path, contact, preset=preset).planned("--config", "seeds=[0]")
    assert {"download", "pages", "diff", "snapshot_probes", "base", "profile", "train", "report"} <= planned


def test_without_a_contact_nothing_is_planned_and_it_is_said(tmp_path):
    assert "snapshots.wikimedia.contact: required to download" in Workflow(tmp_path, preset="paper-110m").run(
        "-n", fails=True
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_paper_preset_dry_runs_with_dumps_and_probes_in_a_folder(preset, data_root, tmp_path):
    settings = yaml.safe_dump(GIVEN | {"data_root": str(data_root)})
    planned = Workflow(tmp_path, settings, preset=preset).planned("--config", "seeds=[0]")
    assert {"pages", "diff", "probes", "base", "profile", "plan", "train", "report", "gate"} <= planned


@pytest.mark.parametrize("preset", TWINS)
def test_paper_preset_runs_end_to_end_with_a_tiny_twin_of_its_model(preset, data_root, tmp_path):
    config, methods, engine = TWINS[preset]
    twin = tmp_path / "twin"
    torch.manual_seed(0)
    save_model(AutoModelForCausalLM.from_config(config), tiny_tokenizer(), twin)
    settings = GIVEN | {
        "data_root": str(data_root),
        "seeds": [0],
        "methods": methods,
        "pages": {"shards": 2, "pages_per_shard": 400},
        "text": {"holdout_share": 0.05},
        "tokens": {"tokenizer": str(twin), "block_size": 32},
        "model": {"load": str(twin), "pretrain": {"steps": 4, "batch_size": 2, "micro_batch_size": 1}},
        "profile": {"examples": 4, "bootstrap": 100},
        "agree": {"facts": 2, "noise_draws": 1},
        "train": {
            "engine": engine,
            "steps": 3,
            "batch_size": 2,
            "micro_batch_size": 1,
            "learning_rates": [0.0001],
            "checkpoint_steps": 2,
        },
        "baselines": {"k_adapter": {"width": 8, "heads": 2, "adapters": 2}},
    }
    workflow = Workflow(tmp_path / "run", yaml.safe_dump(settings), preset=preset)
    workflow.run()
    results = workflow.results
    name = yaml.safe_load((REPOSITORY / "workflow" / "presets" / f"{preset}.yaml").read_text())["model"][
        "name"
    ]
    about = read_about(results / "profile" / name / "seed0" / DATES[1] / "profile.parquet")
    assert about["model_type"] == config.model_type
    adapted = results / "models" / name / "base" / "seed0"
    assert any(
        (left != right).any()
        for left, right in zip(load_model(twin).parameters(), load_model(adapted).parameters(), strict=True)
    )
    for method in methods:
        plan, _, baseline = method.partition("+")
        folder = f"{plan}-{baseline or 'plain'}-lr0.0001"
        scores = read_table(
            results / "scores" / name / folder / "seed0" / "scores.parquet", "scores"
        ).to_pandas()
        assert set(scores["set"]) == {"templama", "ecbd"}
        assert set(scores["checkpoint"]) == set(DATES[1:])
        assert load_model(results / "models" / name / folder / "seed0" / DATES[-1]).config.model_type in (
            config.model_type, "tgl_k_adapter",
        )  # fmt: skip
    assert "full" in (results / "report" / "summary.csv").read_text()


@pytest.fixture
def served(data_root):
    """Return the address of a server with the dumps as Content File Exports."""
    host = Host()
    for date in DATES:
        day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
        dump = (data_root / f"enwiki-{date}-pages-articles-multistream.xml.bz2").read_bytes()
        host.offer_export(day, {f"enwiki-{day}-p1p9999.xml.bz2": dump})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, host))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_whole_chain_from_a_download_to_the_report(served, tmp_path):
    twin = tmp_path / "twin"
    torch.manual_seed(0)
    save_model(AutoModelForCausalLM.from_config(TWINS["paper-110m"][0]), tiny_tokenizer(), twin)
    settings = {
        "snapshots": {"wikimedia": {"contact": CONTACT, "base_url": served}},
        "seeds": [0],
        "methods": ["full", "tgl_fp"],
        "pages": {"shards": 2, "pages_per_shard": 400},
        "text": {"holdout_share": 0.05},
        # A small world states most facts once.
        "probes": {"validation_share": 0.5, "snapshots": {"withhold": False, "taught": False}},
        "tokens": {"tokenizer": str(twin), "block_size": 32},
        "model": {"load": str(twin), "pretrain": {"steps": 4, "batch_size": 2, "micro_batch_size": 1}},
        "profile": {"examples": 4, "bootstrap": 100},
        "agree": {"facts": 0},
        "train": {
            "engine": "plain", "steps": 3, "batch_size": 2, "micro_batch_size": 1, "learning_rates": [0.0001],
            "checkpoint_steps": 2,
        },
    }  # fmt: skip
    workflow = Workflow(tmp_path / "run", yaml.safe_dump(settings), preset="paper-110m")
    workflow.run()
    probes = read_table(workflow.results / "probes/probes.parquet", "probes").to_pandas()
    assert set(probes["set"]) == {"snapshots"}
    assert set(probes["kind"]) == {"updated", "new_entity", "unchanged"}
    assert (probes.loc[probes["kind"] == "updated", "old_answer"] != "").all()
    about = read_about(workflow.results / f"snapshots/{DATES[0]}/files.parquet")
    assert (about["source"], about["found"]) == ("exports", DATES[0])
    assert "full" in (workflow.results / "report" / "summary.csv").read_text()
