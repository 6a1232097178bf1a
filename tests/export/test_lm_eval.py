"""Probes as tasks of the lm-evaluation-harness; where it is installed, its numbers agree with those of tgl."""

import json

import pytest
import yaml

from tests.support.model_fixtures import probe, tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.core.tables.write import to_arrow
from tgl.evaluate.score import score_probes
from tgl.export.lm_eval import FUNCTIONS, export_lm_eval
from tgl.export.lm_eval_functions import answer_alone, answer_among_choices, load


class Loader(yaml.SafeLoader):
    """Reads the harness's tag as text."""


Loader.add_constructor("!function", lambda loader, node: f"!{node.value}")


def table(*rows):
    return to_arrow(rows, "probes")


def exported(folder, *rows, **options):
    """Export probes; return the settings by task, the data by task, and the lines printed."""
    said = []
    names = export_lm_eval(table(*rows), folder / "out", say=said.append, **options)
    settings = {
        path.stem: yaml.load(path.read_text("utf-8"), Loader) for path in (folder / "out").glob("*.yaml")
    }
    data = {
        name: [json.loads(line) for line in (folder / "out" / f"{name}.jsonl").read_bytes().splitlines()]
        for name in names
    }
    return settings, data, said


def refused(folder, *rows, **options):
    with pytest.raises(TglError) as caught:
        export_lm_eval(table(*rows), folder / "out", **options)
    assert not (folder / "out").exists()
    return str(caught.value)


ANNA = probe("a", "Anna lives in Paris now.", "Paris", old_answer="Oslo")
CARL = probe("c", "Carl lives in Oslo.", "Oslo", candidates=[], kind="new_entity")


def test_a_task_with_candidates_has_choices_and_the_answer_last(tmp_path):
    settings, data, said = exported(tmp_path, ANNA)
    assert settings["tgl_world_updated"] == {
        "task": "tgl_world_updated",
        "custom_dataset": "!tgl_functions.load",
        "dataset_kwargs": {"data_file": "tgl_world_updated.jsonl"},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "context",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "target_delimiter": "",
        "num_fewshot": 0,
        "process_results": "!tgl_functions.answer_among_choices",
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in ("acc", "log_likelihood", "exact_match")
        ],
        "metadata": {"version": 1.0, "split": "test"},
    }
    assert data == {
        "tgl_world_updated": [
            {
                "id": "a",
                "period": "20200101",
                "relation": "city",
                "context": "Anna lives in",
                "choices": [" Lisbon", " Oslo", " Paris"],
                "answer": 2,
            }
        ]
    }
    assert said == ["tgl_world_updated: 1 probes, multiple choice"]


def test_a_task_without_candidates_has_the_span_as_its_target(tmp_path):
    settings, data, said = exported(tmp_path, CARL, name="mine")
    own = settings["mine_world_new_entity"]
    assert own["output_type"] == "loglikelihood"
    assert "doc_to_choice" not in own
    assert [metric["metric"] for metric in own["metric_list"]] == ["log_likelihood", "exact_match"]
    assert data["mine_world_new_entity"][0]["context"] == "Carl lives in"
    assert data["mine_world_new_entity"][0]["answer"] == " Oslo"
    assert said == ["mine_world_new_entity: 1 probes, log-likelihood"]


def test_the_group_has_all_tasks_and_the_measures_that_all_have(tmp_path):
    settings, data, _ = exported(tmp_path, ANNA, CARL)
    assert settings["tgl"]["group"] == "tgl"
    assert settings["tgl"]["task"] == list(data) == ["tgl_world_updated", "tgl_world_new_entity"]
    assert [own["metric"] for own in settings["tgl"]["aggregate_metric_list"]] == [
        "log_likelihood",
        "exact_match",
    ]


def test_one_probe_without_candidates_makes_its_task_one_without_choices(tmp_path):
    settings, data, said = exported(tmp_path, ANNA, CARL | {"kind": "updated"})
    assert settings["tgl_world_updated"]["output_type"] == "loglikelihood"
    assert [row["answer"] for row in data["tgl_world_updated"]] == [" Paris", " Oslo"]
    assert said[0].startswith("tgl_world_updated: 1 of 2 probes have no candidates")


def test_other_answers_of_the_same_question_are_no_candidates_whatever_their_split(tmp_path):
    other = probe("b", "Anna lives in Oslo now.", "Oslo", answer_group="a", split="validation")
    _, data, _ = exported(tmp_path, ANNA, other)
    assert data["tgl_world_updated"][0]["choices"] == [" Lisbon", " Paris"]


def test_validation_probes_have_no_choices(tmp_path):
    settings, _, _ = exported(tmp_path, ANNA | {"split": "validation"}, CARL, split="validation")
    assert settings["tgl_world_updated"]["output_type"] == "loglikelihood"
    assert "tgl_world_new_entity" not in settings


@pytest.mark.parametrize(
    ("text", "context", "answer"),
    [
        ("Paris is big", "", "Paris"),
        (" Paris is big", "", " Paris"),
        ("in Paris", "in", " Paris"),
        ("“Paris”", "“", "Paris"),
        ("(Paris)", "(", "Paris"),
    ],
)
def test_one_space_before_the_span_belongs_to_the_answer(text, context, answer, tmp_path):
    _, data, _ = exported(tmp_path, probe("a", text, "Paris", candidates=[]))
    row = data["tgl_world_updated"][0]
    assert (row["context"], row["answer"]) == (context, answer)


@pytest.mark.parametrize("space", ["  ", "\n", "\t", "\u00a0", "\n "])
def test_probes_with_other_white_space_before_the_span_are_skipped_and_counted(space, tmp_path):
    odd = probe("o", f"in{space}Paris", "Paris")
    _, data, said = exported(tmp_path, ANNA, odd)
    assert [row["id"] for row in data["tgl_world_updated"]] == ["a"]
    assert said[0].startswith("1 of 2 probes skipped: the white space before the span")
    assert "every probe was skipped" in refused(tmp_path / "other", odd)


def test_the_first_token_begins_every_context(tmp_path):
    _, data, _ = exported(tmp_path, ANNA, probe("p", "Paris is big", "Paris"), first_token="<|endoftext|>")
    found = [row["context"] for row in data["tgl_world_updated"]]
    assert found == ["<|endoftext|>Anna lives in", "<|endoftext|>"]


def test_the_files_have_these_bytes_and_the_data_is_read_back_from_the_moved_folder(tmp_path):
    text = 'Zoë’s "home"\u2028is {{7*7}} \\ 東京 in Paris'
    row = probe("2020-01-01", text, "Paris", candidates=[], period="2020-01-01")
    exported(tmp_path, row)
    folder = (tmp_path / "out").rename(tmp_path / "moved")
    assert (folder / "tgl_world_updated.jsonl").read_bytes() == (
        '{"id": "2020-01-01", "period": "2020-01-01", "relation": "city", '
        '"context": "Zoë’s \\"home\\"\u2028is {{7*7}} \\\\ 東京 in", "answer": " Paris"}\n'
    ).encode()
    functions = {"__file__": str(folder / FUNCTIONS)}
    exec((folder / FUNCTIONS).read_text("utf-8"), functions)
    read = functions["load"]("tgl_world_updated.jsonl", version=1.0)["test"]
    assert read[0]["context"] == text.removesuffix(" Paris")
    assert read[0]["period"] == "2020-01-01"
    with pytest.raises(FileNotFoundError):
        load("tgl_world_updated.jsonl")  # The package's own copy has no data.


@pytest.mark.parametrize("name", ["a,b", "a/b", "..", "a*", "a b", "", "-a", "a\n", "a:b", "[a]"])
def test_an_odd_name_is_refused(name, tmp_path):
    for options in ({"name": name}, {"set": name}, {"kind": name}):
        row = ANNA | {key: value for key, value in options.items() if key != "name"}
        error = refused(tmp_path, row, **({"name": name} if "name" in options else {}))
        assert f"found {name!r}; expected only letters" in error


def test_names_with_letters_of_other_languages_pass(tmp_path):
    settings, _, _ = exported(tmp_path, ANNA | {"set": "möbel-1.0"}, name="日本")
    assert set(settings) == {"日本", "日本_möbel-1.0_updated"}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ANNA | {"split": "validation"}], "no probe of the split 'test'; found: validation"),
        ([ANNA, ANNA], "the id 'a' occurs twice"),
        ([ANNA | {"span_end": 99}], "probe 'a': span [14, 99) is not within its text"),
        ([ANNA | {"candidates": ["", "Paris"]}], "probe 'a': found an empty candidate"),
        ([ANNA | {"set": "x_y", "kind": "z"}, CARL | {"set": "x", "kind": "y_z"}], "two tasks have the name"),
        ([ANNA | {"kind": "k" * 250}], "expected at most 200"),
    ],
)
def test_probes_that_make_no_tasks_are_refused(rows, words, tmp_path):
    assert words in refused(tmp_path, *rows)


def test_a_folder_that_exists_is_refused_and_stays(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(TglError, match="exists already"):
        export_lm_eval(table(ANNA), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_tie_counts_against_the_answer():
    doc = {"answer": 1}
    tied = answer_among_choices(doc, [(-1.0, False), (-1.0, True)])
    assert tied == {"acc": 0.0, "log_likelihood": -1.0, "exact_match": 1.0}
    assert answer_among_choices(doc, [(-2.0, False), (-1.0, False)])["acc"] == 1.0
    assert answer_alone({}, [(-3.0, True)]) == {"log_likelihood": -3.0, "exact_match": 1.0}


AGREEING = [
    probe(f"{kind}{number}", text, city, kind=kind, **more)
    for kind, more in (("updated", {}), ("new_entity", {"candidates": []}))
    for number, (text, city) in enumerate(
        [
            ("Anna Berg lives in Paris.", "Paris"),
            ("Carl Dahl lives in Oslo and likes Globex.", "Oslo"),
            ("Paris likes Anna Berg", "Paris"),
            (" Lisbon likes Eva Falk", "Lisbon"),
            ("Eva Falk (Lisbon)", "Lisbon"),
            ("Zoë: “Oslo”", "Oslo"),
        ]
    )
]


@pytest.mark.parametrize("first_token", ["", "<|endoftext|>"])
def test_the_numbers_of_the_harness_agree_with_those_of_tgl(first_token, tmp_path, monkeypatch):
    reason = "lm_eval is not installed: pip install lm_eval==0.4.13 in an environment of its own"
    lm_eval = pytest.importorskip("lm_eval", reason=reason)
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model = tiny_model("gpt2", seed=1, spread=6)
    model.save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    said = []
    names = export_lm_eval(
        table(*AGREEING), tmp_path / "out", "mine", first_token=first_token, say=said.append
    )
    folder = (tmp_path / "out").rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    found = lm_eval.simple_evaluate(
        HFLM(
            str(tmp_path / "model"),
            device="cpu",
            dtype="float32",
            add_bos_token=None if first_token else True,
            batch_size=4,
        ),
        tasks=["mine"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        log_samples=True,
        bootstrap_iters=0,
    )
    expected = {
        row["probe"]: row for row in score_probes(model, tiny_tokenizer(), table(*AGREEING), checkpoint="x")
    }
    samples = [sample for name in names for sample in found["samples"][name]]
    assert {sample["doc"]["id"] for sample in samples} == set(expected)
    for sample in samples:
        own = expected[sample["doc"]["id"]]
        assert sample["log_likelihood"] == pytest.approx(own["log_likelihood"], abs=1e-4)
        assert sample["exact_match"] == own["exact_match"]
        if own["num_candidates"]:
            assert len(sample["resps"]) == own["num_candidates"]
            assert sample["acc"] == (own["rank"] == 1)
            values = [float(response[0][0]) for response in sample["resps"]]
            assert 1 + sum(value >= values[-1] for value in values[:-1]) == own["rank"]
    ranks = {own["rank"] for own in expected.values()}
    assert len(ranks - {0}) > 1
    mean = sum(row["log_likelihood"] for row in expected.values()) / len(expected)
    assert found["results"]["mine"]["log_likelihood,none"] == pytest.approx(mean, abs=1e-4)
