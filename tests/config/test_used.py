from tgl.config.check import check, load_config
from tgl.config.text_project import Sizes, text_settings
from tgl.config.used import unused_sections, used_settings
from tgl.config.write import config_yaml
from tgl.core.layout import BASE

KEYS = text_settings(
    "mine", {"20200101": "a", "20210101": "b"}, Sizes((1, 1), 100, (50,)), model=None, probes="p.jsonl"
)


def test_a_project_on_documents_names_no_wiki():
    config = check(KEYS)
    assert {"pages", "snapshots.wikimedia", "snapshots.synthetic", "probes.wikidata", "baselines.ewc"} <= (
        unused_sections(config)
    )
    assert not {"snapshots.documents", "probes.json_lines", "baselines.replay"} & unused_sections(config)
    text = config_yaml(config, without=unused_sections(config))
    keys = [line.split(":")[0].strip() for line in text.splitlines() if not line.strip().startswith("#")]
    assert not [key for key in keys if "wiki" in key or key in ("pages", "synthetic", "local", "history")]


def test_the_default_experiment_uses_its_world():
    found = used_settings(load_config({}))
    assert set(found["snapshots"]) == {"source", "dates", "synthetic"}
    assert "pages" in found
    assert BASE not in found["baselines"]


def test_what_is_left_out_is_the_default(tmp_path):
    import yaml

    config = check(KEYS)
    text = config_yaml(config, without=unused_sections(config))
    assert check(yaml.safe_load(text)) == config
    assert check(used_settings(config)) == config
