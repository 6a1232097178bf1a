"""Keys that are right by themselves and not together."""

import pytest

from tests.config.config_problems import WIKIMEDIA, problems
from tgl.config import combinations
from tgl.config.check import load_config
from tgl.core.config_check import load_section
from tgl.core.errors import TglError
from tgl.train.settings import TrainConfig


def local(pattern):
    return {"source": "local", "local": {"pattern": pattern}}


TEMPLAMA = {"sets": ["templama"], "templama": {"file": "a.json", "pairs": {"20200101": ["2019", "2020"]}}}
ECBD = {"sets": ["ecbd"], "ecbd": {"files": ["a.json"], "period": "20200101"}}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"snapshots": {"dates": ["20200101", "20200101"]}}, "must rise"),
        ({"snapshots": WIKIMEDIA}, "probes.sets: 'world' needs"),
        ({"snapshots": {"source": "wikimedia"}, "probes": ECBD}, "wikimedia.contact"),
        ({"snapshots": local("*.xml"), "probes": ECBD}, "must hold {date}"),
        ({"snapshots": local("{year}.xml"), "probes": ECBD}, "must hold {date}"),
        ({"snapshots": local("{date}{hour}.xml"), "probes": ECBD}, "no other field"),
        ({"text": {"base": "json_lines"}}, "text.json_lines"),
        (
            {"probes": {"sets": ["snapshots"]}, "text": {"diff_rule": "ticwiki"}},
            "text.diff_rule: probes.sets has",
        ),
        (
            {"probes": {"sets": ["snapshots"]}, "text": {"language": "de"}},
            "probes.snapshots.pipeline: 'en_core_web_sm' is for the language 'en', but text.language is 'de'",
        ),
        ({"probes": {"sets": ["templama"]}}, "probes.templama: file and pairs"),
        ({"probes": {"sets": ["ecbd"], "ecbd": {"period": "20200101"}}}, "probes.ecbd.files"),
        ({"probes": ECBD | {"ecbd": {"files": ["a"], "period": "20190101"}}}, "none of the periods"),
        ({"probes": {"sets": ["wikidata"]}, "snapshots": WIKIMEDIA}, "probes.wikidata.file: required"),
        ({"probes": {"validation_share": 0.6, "test_share": 0.6}}, "more than 1"),
        ({"model": {"hidden_size": 10, "heads": 3}}, "not a multiple"),
        ({"model": {"pretrain": {"steps": 0}}}, "weights would stay random"),
        ({"model": {"pretrain": {"keep": [5, 5]}}}, "must rise"),
        ({"model": {"pretrain": {"keep": [9, 5]}}}, "must rise"),
        ({"model": {"load": "gpt2"}}, "tokens.tokenizer"),
        ({"model": {"merge_adapter": True}}, "there is no adapter"),
        ({"methods": ["tgl_fp"]}, "'full' is required"),
        ({"methods": ["full", "full"]}, "methods: ['full', 'full'] holds a value twice"),
        ({"seeds": [0, 1, 0]}, "seeds: [0, 1, 0] holds a value twice"),
        (
            {"methods": ["full", "tgl_fp"], "report": {"comparisons": [["random", "full"]]}},
            "report.comparisons: 'random' is none of the methods; remove it, or add it to methods",
        ),
        (
            {"methods": ["full", "tgl_fp"], "report": {"comparisons": [["tgl_fp", "random"]]}},
            "report.comparisons: 'random' is none of the methods",
        ),
        (
            {"methods": ["full", "tgl_fp"], "report": {"comparisons": [["full", "full"]]}},
            "report.comparisons: 'full' is compared with itself",
        ),
        (
            {"methods": ["full"], "report": {"tried_rates": {"last": [0.1]}}},
            "report.tried_rates: 'last' is none of the methods; remove it, or add it to methods",
        ),
        (
            {
                "methods": ["full", "tgl_fp"],
                "report": {"comparisons": [["tgl_fp", "full"], ["tgl_fp", "full"]]},
            },
            "comparisons: ['tgl_fp over full', 'tgl_fp over full'] holds a value twice",
        ),
        (
            {"report": {"uptake": ["updated", "updated"]}},
            "uptake: ['updated', 'updated'] holds a value twice",
        ),
        (
            {"snapshots": {"dates": ["20190101", "20240101"]}},
            "snapshots.synthetic.updated_share: 0.25 a year is 1.25 of the facts from 20190101 to 20240101",
        ),
    ],
)
def test_impossible_combination_is_refused(raw, words):
    assert any(words in line for line in problems(raw))


def test_templama_period_that_is_no_period_is_refused():
    templama = {"file": "a.json", "pairs": {"20190101": ["2018", "2019"]}}
    (line,) = problems({"probes": {"sets": ["templama"], "templama": templama}})
    assert "'20190101' is none of the periods" in line


@pytest.mark.parametrize("snapshots", [WIKIMEDIA, local("{date}.xml"), local("{year}-{month}-{day}.xml.bz2")])
def test_real_dumps_with_real_probes_are_accepted(snapshots):
    wikidata = {"wikidata": {"file": "latest-all.json.bz2", "sitelink": None}}
    probes = TEMPLAMA | ECBD | wikidata | {"sets": ["templama", "ecbd", "wikidata"]}
    config = load_config({"snapshots": snapshots, "probes": probes})
    assert config.snapshots.source == snapshots["source"]


@pytest.mark.parametrize(
    ("report", "key"),
    [
        ({"bootstrap": 100}, "report.bootstrap: unknown key; known keys: uptake, level, comparisons"),
        ({"level": 0.8}, "report.level"),
        ({"uptake": []}, "report.uptake"),
        ({"uptake": ["unchanged"]}, "report.uptake"),
        ({"comparisons": [["full"]]}, "report.comparisons.0"),
        ({"comparisons": [["full", "tgl_fp", "random"]]}, "report.comparisons.0"),
        ({"comparisons": [["tgl_fp", "no such plan"]]}, "report.comparisons.0"),
    ],
)
def test_settings_of_the_report_that_mean_nothing_are_refused_by_their_key(report, key):
    (line,) = problems({"report": report})
    assert f"- {key}" in line


def test_planned_comparisons_are_read_in_order():
    pairs = [["random", "tgl_fp"], ["tgl_fp", "full"]]
    config = load_config({"methods": ["full", "tgl_fp", "random"], "report": {"comparisons": pairs}})
    assert config.report.comparisons == pairs
    assert (config.report.level, config.report.uptake) == (0.7, ["updated"])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"methods": ["full", "only.12"]}, "numbered from 0"),
        ({"methods": ["full", "only.6"], "model": {"architecture": "tgl_gru"}}, "the model has 6"),
        ({"methods": ["full", "full+lora"], "plan": {"embedding": "trained"}}, "lora trains only adapters"),
        ({"methods": ["full", "full.trained_embedding+k_adapter"]}, "k_adapter trains only adapters"),
        ({"methods": ["full", "lisa+k_adapter"]}, "has phases"),
        ({"methods": ["full", "full+lora"], "model": {"architecture": "mamba"}}, "needs attention"),
        ({"methods": ["full", "only.1+lora"]}, "no attention sublayer"),
        (
            {"methods": ["full", "full+recadam"], "train": {"learning_rates": [0.001, 0.01]}},
            "must be below 1",
        ),
        ({"probes": {"validation_share": 0.005}}, "about 0.2 probes of kind 'updated'"),
        ({"snapshots": {"synthetic": {"updated_share": 0}}}, "about 0.0 probes of kind 'updated'"),
        (
            {"snapshots": {"synthetic": {"new_share": 0}}, "plan": {"salient": "new_entity"}},
            "kind 'new_entity'",
        ),
        (
            {"probes": {"templama": {"pairs": {"20200101": ["1", "1"]}}}},
            "probes.templama.pairs.20200101: '1' twice",
        ),
    ],
)
def test_what_a_later_stage_would_refuse_is_refused_at_once(raw, words):
    (line,) = problems(raw)
    assert words in line


@pytest.mark.parametrize(
    "methods",
    [
        ["full", "only.11"],
        ["full", "only.0+lora"],
        ["full", "full_at_mean_lr+recadam"],
        ["full", "lisa+lora"],
    ],
)
def test_what_goes_together_is_accepted(methods):
    assert load_config({"methods": methods}).methods == methods


def test_a_section_alone_is_checked_for_its_combinations():
    with pytest.raises(TglError, match=r"--config: 2 problems\n  - offload: .*\n  - micro_batch_size: "):
        load_section(TrainConfig, '{"micro_batch_size": 3, "offload": true, "engine": "plain"}')


@pytest.mark.parametrize(
    ("language", "pipeline"),
    [
        ("simple", "en_core_web_sm"),
        ("no", "nb_core_news_sm"),
        ("pt-br", "pt_core_news_sm"),
        ("de", "my_pipeline"),
    ],
)
def test_pipelines_of_the_language_and_ones_of_one_s_own_are_accepted(language, pipeline):
    assert list(combinations._pipeline_problems(pipeline, language)) == []
