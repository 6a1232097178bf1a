"""The package of docs/extending.md, as installed: the workflow runs with an entry of each kind."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from snakemake.utils import update_config

from tests.support.packages import install_project
from tests.workflow.conftest import REPOSITORY, Workflow, rules_in
from tgl.core.tables.read import read_about, read_counts, read_table
from tgl.plans.plan import load_plan
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world

EXAMPLE = REPOSITORY / "examples" / "extension"
DATES = ["20190101", "20200101", "20210101"]
# Of the configuration of the example only what makes it small, and a penalty whose effect shows in a few steps.
TINY = {
    "seeds": [0],
    "tokens": {"vocab_size": 420, "block_size": 64},
    "model": {"layers": 2, "hidden_size": 16, "heads": 2, "pretrain": {"steps": 12, "keep": [0, 6]}},
    "profile": {"examples": 4, "bootstrap": 100},
    "train": {"steps": 6, "checkpoint_steps": 2},
    "baselines": {"l2_to_start": {"strength": 100}},
}
MODEL = "starcoder2-4x64"
FIRST = f"{DATES[1]}/model.safetensors"


def blocks(page: str) -> dict[str, str]:
    """Return the fenced blocks of a page that are led by the name of a file, by that name."""
    return dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", page, flags=re.M | re.S))


def test_the_page_shows_each_file_of_the_package_as_it_is():
    shown = blocks((REPOSITORY / "docs" / "extending.md").read_text())
    files = {
        str(path.relative_to(EXAMPLE)): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.is_file() and path.name != "__init__.py" and path.suffix in (".py", ".toml", ".yaml")
    }
    assert shown == files
    for name, text in files.items():
        assert not name.endswith(".py") or (len(text.splitlines()) <= 30 and "..." not in text)


def write_data(folder: Path) -> None:
    """Write the folder of texts and the file of probes that the example's configuration names, of a synthetic world."""
    world = build_world(WorldConfig(pages=200), DATES)
    for number, date in enumerate(DATES):
        texts = folder / "texts" / date
        texts.mkdir(parents=True)
        for entity in world.entities:
            for article in range(3) if entity.exists(number) else ():
                wording = entity.wording(number, article)
                sentence = wording.format(S=entity.name, O=entity.statement(number).object.name)
                (texts / f"{entity.page_id + article} {entity.name} {article}.txt").write_text(
                    f"{sentence}\n"
                )
    lines = [
        {
            "text": fact["text"],
            "span": fact["object"],
            "subject": fact["subject"],
            "kind": kind,
            "period": period,
        }
        for fact in world.facts()
        for kind, period in (
            [("unchanged", date) for date in DATES[1:] if date <= fact["last_date"]]
            if fact["first_date"] == DATES[0]
            else [("updated", fact["first_date"])]
        )
    ]
    (folder / "probes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    """A finished run of the example's configuration; tests must not run anything in it."""
    root = tmp_path_factory.mktemp("extension")
    settings = yaml.safe_load((EXAMPLE / "config.yaml").read_text())
    update_config(settings, TINY)
    workflow = Workflow(
        root / "run", yaml.safe_dump(settings), packages=[install_project(EXAMPLE, root / "site")]
    )
    write_data(workflow.directory / "data")
    workflow.run()
    return workflow


@pytest.mark.workflow
def test_the_policy_trains_the_sublayers_in_the_middle(finished):
    folder = finished.results / "plan" / MODEL / "seed0"
    plan, traced = load_plan(folder / "middle.json"), load_plan(folder / "tgl_fp.json")
    names = ["block00.attention", "block00.mlp", "block01.attention", "block01.mlp"]
    assert list(plan.multipliers) == names
    assert set(plan.multipliers.values()) == {0.0, 1.0}
    # Within 5 % of the parameters of the traced set, or as near as whole sublayers come.
    sizes = {"attention": 1120, "mlp": 2160}
    assert plan.trainable_parameters == sum(sizes[name.partition(".")[2]] for name in plan.trained())
    assert abs(plan.trainable_parameters - traced.trainable_parameters) <= max(sizes.values()) / 2
    # In order of the distance from the middle: the last one may stand in for the one before, to meet the budget.
    order = [names[number] for number in (1, 2, 0, 3)]
    assert set(order[: len(plan.trained()) - 1]) <= plan.trained()
    assert "Jaccard index with the traced set" in plan.note


@pytest.mark.workflow
def test_the_baseline_keeps_the_weights_nearer_to_their_start(finished):
    scores = finished.results / "scores" / MODEL
    assert {path.name for path in scores.iterdir()} == {
        "base",
        "full-plain-lr0.003",
        "tgl_fp-plain-lr0.003",
        "middle-plain-lr0.003",
        "middle-l2_to_start-lr0.003",
    }
    for folder in scores.iterdir():
        assert len(read_table(folder / "seed0" / "scores.parquet", "scores")) > 0
    models = finished.results / "models" / MODEL
    start = load_file(models / "base" / "seed0" / "model.safetensors")

    def distance(method: str) -> float:
        weights = load_file(models / f"{method}-lr0.003" / "seed0" / FIRST)
        return sum(float((weights[name] - start[name]).square().sum()) for name in start) ** 0.5

    assert 0 < distance("middle-l2_to_start") < 0.9 * distance("middle-plain")


@pytest.mark.workflow
def test_the_set_gives_a_probe_for_each_line(finished):
    lines = (finished.directory / "data" / "probes.jsonl").read_text().splitlines()
    probes = read_table(finished.results / "probes" / "probes.parquet", "probes").to_pandas()
    assert len(probes) == len(lines) > 100
    assert set(probes["set"]) == {"lines"}
    assert set(probes["split"]) == {"train", "validation", "test"}
    record, row = json.loads(lines[0]), probes.iloc[0]
    assert row["id"] == "lines-line1"
    assert row["text"][row["span_start"] : row["span_end"]] == record["span"]
    counts = read_counts(finished.results / "probes" / "probes.parquet")
    assert counts["lines: updated"] + counts["lines: unchanged"] == counts["probes"] == len(lines)


@pytest.mark.workflow
def test_the_source_writes_a_dump_a_date_with_all_texts(finished):
    for date in DATES:
        files = finished.results / "snapshots" / date / "files.parquet"
        (row,) = read_table(files, "files").to_pylist()
        assert Path(row["path"]).name == f"texts-{date}.xml.bz2"
        assert (finished.directory / row["path"]).stat().st_size == row["bytes"]
        assert read_about(files)["source"] == "data/texts"
        pages = read_table(finished.results / "snapshots" / date / "pages" / "0.parquet", "pages").to_pandas()
        texts = finished.directory / "data" / "texts" / date
        written = {path.stem: path.read_text().strip() for path in texts.iterdir()}
        assert {f"{row.page_id} {row.title}": row.text for row in pages.itertuples()} == written


@pytest.mark.workflow
def test_the_base_model_is_of_the_architecture(finished):
    folder = finished.results / "models" / MODEL / "base" / "seed0"
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["num_hidden_layers"], config["hidden_size"]) == ("starcoder2", 2, 16)
    weights = load_file(folder / "model.safetensors")
    assert weights["model.layers.1.mlp.c_fc.weight"].shape == torch.Size([64, 16])


@pytest.mark.workflow
def test_an_edited_module_of_the_package_reruns_what_depends_on_it(finished, tmp_path):
    site = install_project(EXAMPLE, tmp_path / "site")

    def planned(module: str, old: str, new: str) -> tuple[set[str], set[str]]:
        """Return the rules and the trainings that would run with an edit, which is then undone."""
        path = site / "tgl_example" / f"{module}.py"
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
        edited = Workflow(finished.directory, finished.extra.read_text(), packages=[site])
        output = edited.run("--dry-run")
        path.write_text(text)
        return rules_in(output), set(re.findall(r"Continual pretraining by ([\w.]+ on \w+)", output))

    report, middle = {"report", "gate"}, {"middle on plain", "middle on l2_to_start"}
    runs = {"full on plain", "tgl_fp on plain", *middle}
    after_base = {"score_base", "profile", "along", "plan", "train", "agree", *report}
    after_pages = {"diff", "probes", "tokenizer", "pack_base", "pack_period", "base", *after_base}
    assert planned("policy", "order of their distance", "order of distance") == (set(), set())  # a docstring
    assert planned("policy", "- 1) / 2", "- 2) / 2") == ({"plan", "train", *report}, middle)
    assert planned("penalty", "self.strength / 2", "self.strength / 3") == (
        {"train", *report},
        {"middle on l2_to_start"},
    )
    assert planned("probe_set", 'f"lines-', 'f"line-') == ({"probes", *after_base}, runs)
    assert planned("source", "pages of", "texts of") == ({"download", "pages", *after_pages}, runs)
    assert planned("architecture", "4 * shape", "2 * shape") == ({"base", *after_base}, runs)


@pytest.mark.workflow
def test_the_package_alone_reruns_nothing_of_an_experiment_without_it(finished, finished_tiny):
    workflow = Workflow(finished_tiny.directory, finished_tiny.extra.read_text(), packages=finished.packages)
    assert workflow.planned() == set()


@pytest.mark.workflow
def test_without_the_package_its_names_are_unknown(finished):
    output = Workflow(finished.directory, finished.extra.read_text()).run("--dry-run", fails=True)
    assert "no policy 'middle'" in output
    assert "baselines.l2_to_start: unknown key" in output
    assert "no set of probes 'lines'" in output
    assert "no source 'text_folder'" in output
    assert "no architecture 'starcoder2'" in output
