import pytest
import yaml

import tgl.export.push as pushing
from tests.export.experiment import DATES
from tests.export.push_experiment import BASE, FOLDERS, arrived, pushed, reported
from tgl.export.hub import export_hub


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def header(card):
    return yaml.safe_load(card.decode().split("---\n")[1])


def test_a_checkpoint_arrives_with_its_bytes_and_a_card(experiment, hub):
    folder = experiment.folder / FOLDERS[1]
    lines = pushed(experiment, "model", checkpoint=folder, private=True, go=True)
    found = arrived(hub, "model")
    card = found.pop("README.md").decode()
    assert found == contents(folder)
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(found)
    assert hub.created["model", "me/mine"]["visibility"] == "private"
    assert lines[-1] == f"uploaded: {hub.address}/me/mine/commit/{'a' * 40}"
    assert header(card.encode())["license"] == "unknown"
    assert 'from_pretrained("me/mine")' in card
    for row in (
        "| base model | gpt2, pretrained from scratch on the base text |",
        "| method | tgl_fp with the baseline plain |",
        "| learning rate | 0.003 |",
        "| seed | 0 |",
        f"| period | {DATES[0]} |",
        f"| dewiki-{DATES[0]}.xml |",
    ):
        assert row.removesuffix("|") in card
    assert f"dewiki-{DATES[1]}.xml" not in card  # text after this checkpoint
    assert str(experiment.folder) not in card


def test_the_base_model_has_the_rate_of_its_pretraining(experiment, hub):
    pushed(experiment, "model", checkpoint=experiment.folder / BASE, go=True)
    card = arrived(hub, "model")["README.md"].decode()
    assert "| method | pretraining of the base model |" in card
    assert "| learning rate | 0.006 |" in card


def test_a_model_with_a_name_on_the_hub_is_in_the_header(experiment, hub):
    job = next(job for job in experiment.manifest.jobs if job.rule == "base")
    config = {"config": {"load": "Qwen/Qwen3-0.6B"}}
    experiment.update(
        experiment.declared(
            "base", [file.path for file in job.outputs], config=config, wildcards={"seed": "0"}
        )
    )
    pushed(experiment, "model", checkpoint=experiment.folder / FOLDERS[1], go=True)
    card = arrived(hub, "model")["README.md"]
    assert header(card)["base_model"] == "Qwen/Qwen3-0.6B"
    assert b"| base model | Qwen/Qwen3-0.6B, loaded with its weights |" in card


def test_tables_arrive_as_export_writes_them_with_one_card_for_all(experiment, hub, tmp_path):
    pushed(experiment, go=True)
    export_hub(experiment.folder, tmp_path / "hub", say=lambda line: None)
    found = arrived(hub, "dataset")
    card = found.pop("README.md")
    assert found == contents(tmp_path / "hub")
    assert hub.created["dataset", "me/mine"]["visibility"] == "public"
    head = header(card)
    assert head["license"] == ["cc-by-sa-3.0", "cc-by-sa-4.0", "other"]
    assert [config.get("default") for config in head["configs"]][:2] == [True, None]
    assert {"config_name": f"pages-{DATES[1]}", "data_files": [
        {"split": "train", "path": f"pages/data/{DATES[1]}/train-*.parquet"}]} in head["configs"]  # fmt: skip


def test_the_repository_of_the_tables_loads_by_the_names_on_its_card(experiment, hub, tmp_path):
    import datasets

    pushed(experiment, go=True)
    for path, content in arrived(hub, "dataset").items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(content)
    where = {"cache_dir": str(tmp_path / "cache")}
    rows = datasets.load_dataset(str(tmp_path / "copy"), f"pages-{DATES[1]}", split="train", **where)
    assert len(rows) == 11
    rows = datasets.load_dataset(str(tmp_path / "copy"), "probes-default", split="test", **where)
    assert len(rows) == 1


def test_a_report_arrives_as_a_static_space_without_links(experiment, hub):
    folder = reported(experiment)
    pushed(experiment, "report", go=True)
    found = arrived(hub, "space")
    card = header(found.pop("README.md"))
    assert found == contents(folder)
    assert "link.txt" not in found
    assert (card["sdk"], card["app_file"]) == ("static", "index.html")
    assert hub.created["space", "me/mine"]["sdk"] == "static"


@pytest.mark.parametrize("what", ["model", "dataset", "report"])
def test_a_dry_run_makes_no_request_and_prints_files_and_card(what, experiment, hub, monkeypatch):
    reported(experiment)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(pushing, "get_token", lambda: pytest.fail("a dry run needs no token"))
    options = {"checkpoint": experiment.folder / BASE} if what == "model" else {}
    lines = pushed(experiment, what, private=True, **options)
    assert hub.requests == []
    assert (
        lines[0] == "dry run: nothing is uploaded; the same command with --go uploads it" or what == "dataset"
    )
    assert f"type: {pushing.TYPES[what]}, private" in lines
    files = {"model": "model.safetensors", "dataset": "probes/README.md", "report": "figures/a.svg"}
    listed = next(line for line in lines if line.endswith(f" bytes  {files[what]}"))
    size = {"model": (experiment.folder / BASE / "model.safetensors").stat().st_size, "report": 256}.get(what)
    assert size is None or f" {size:,} bytes" in listed
    assert "card (README.md):" in lines
    assert "---" in lines
    assert "/tmp" not in "\n".join(lines).replace(str(experiment.folder), "")
