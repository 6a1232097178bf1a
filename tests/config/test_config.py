import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.config_problems import problems
from tests.support.paths import REPOSITORY
from tgl.analysis.settings import AgreeConfig
from tgl.config.check import load_config
from tgl.config.root import Config
from tgl.core.config_check import load_section
from tgl.core.errors import TglError
from tgl.models.settings import PretrainConfig
from tgl.probes.settings import ProbesConfig
from tgl.profiling.settings import ProfileConfig
from tgl.snapshots.settings import WorldConfig
from tgl.train.settings import TrainConfig

CONFIG_FILE = REPOSITORY / "config.yaml"


def test_config_file_holds_the_defaults():
    assert load_config(CONFIG_FILE) == Config()
    assert load_config({}) == Config()


def test_config_file_names_every_key():
    def names(value):
        return {key: names(inner) for key, inner in value.items()} if isinstance(value, dict) else None

    assert names(yaml.safe_load(CONFIG_FILE.read_text())) == names(Config().model_dump())


def test_config_survives_the_way_to_a_stage_and_back():
    for kind in (WorldConfig, ProbesConfig, ProfileConfig, AgreeConfig, TrainConfig):
        assert load_section(kind, kind().model_dump_json()) == kind()


def test_periods_are_the_dates_after_the_first():
    assert load_config({"snapshots": {"dates": ["20190101", "20190601", "20200101"]}}).periods == [
        "20190601",
        "20200101",
    ]


@pytest.mark.parametrize(
    ("raw", "key", "right"),
    [
        ({"seed": 1}, "seed", "seeds"),
        ({"train": {"learning_rate": [0.1]}}, "train.learning_rate", "learning_rates"),
        ({"model": {"pretrain": {"stesp": 1}}}, "model.pretrain.stesp", "steps"),
        ({"probes": {"templama": {"flie": "a"}}}, "probes.templama.flie", "file"),
        ({"probes": {"snapshots": {"withold": True}}}, "probes.snapshots.withold", "withhold"),
        ({"snapshots": {"synthetic": {"updated_shares": 0.1}}}, "updated_shares", "updated_share"),
        ({"agree": {"noise_scales": 2}}, "agree.noise_scales", "noise_scale"),
        ({"profile": {"period": "each"}}, "profile.period", "periods"),
    ],
)
def test_misspelt_key_is_named_with_the_nearest_right_one(raw, key, right):
    (line,) = problems(raw)
    assert key in line
    assert "unknown key" in line
    assert f"did you mean '{right}'?" in line


def test_unknown_key_like_no_other_gets_the_list_of_known_ones():
    (line,) = problems({"pages": {"zzzzzz": 1}})
    assert "shards, pages_per_shard" in line


def test_misspelt_choice_is_named_with_the_nearest_right_one():
    (line,) = problems({"train": {"engine": "deepsped"}})
    assert "train.engine" in line
    assert "did you mean 'deepspeed'?" in line


def test_every_problem_is_said_at_once_combinations_too():
    lines = problems(
        {
            "seds": [1],
            "snapshots": {"dates": ["20200101", "20190101"]},
            "model": {"layers": "six", "hidden_size": 100, "heads": 3},
            "train": {"steps": 0},
        }
    )
    text = "\n".join(lines)
    for key in ("seds", "snapshots.dates", "model.layers", "model.hidden_size", "train.steps"):
        assert key in text
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"snapshots": {"dates": ["20200101"]}}, "snapshots.dates"),
        ({"snapshots": {"dates": ["20200101", "20201301"]}}, "snapshots.dates.1"),
        ({"snapshots": {"dates": ["20200101", "2021-01-01"]}}, "snapshots.dates.1"),
        ({"snapshots": {"synthetic": {"pages": 199}}}, "snapshots.synthetic.pages"),
        ({"snapshots": {"synthetic": {"updated_share": 1.0}}}, "snapshots.synthetic.updated_share"),
        ({"snapshots": {"synthetic": {"candidates": 1}}}, "snapshots.synthetic.candidates"),
        ({"snapshots": {"synthetic": {"domain": "people"}}}, "snapshots.synthetic.domain"),
        ({"text": {"holdout_share": 0}}, "text.holdout_share"),
        ({"experiment": "../elsewhere"}, "experiment"),
        ({"model": {"name": "a/b"}}, "model.name"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [-1]}, "seeds.0"),
        ({"train": {"steps": 2.5}}, "train.steps"),
        ({"train": {"steps": True}}, "train.steps"),
        ({"train": {"zero_stage": 4}}, "train.zero_stage"),
        ({"gate": {"binding": "yes"}}, "gate.binding"),
        ({"plan": None}, "plan"),
        ({"profile": {"periods": "last"}}, "profile.periods"),
        ({"profile": {"window_tokens": 1}}, "profile.window_tokens"),
        ({"model": {"pretrain": {"keep": [-1]}}}, "model.pretrain.keep.0"),
        ({"agree": {"facts": 1}}, "agree.facts"),
        ({"agree": {"noise_scale": 0}}, "agree.noise_scale"),
        ({"agree": {"noise_draws": 0}}, "agree.noise_draws"),
        ({"probes": {"snapshots": {"max_per_page": 0}}}, "probes.snapshots.max_per_page"),
        ({"probes": {"snapshots": {"pipeline": "../mine"}}}, "probes.snapshots.pipeline"),
        ({"probes": {"templama": {"pairs": {"20200101": ["2019"]}}}}, "probes.templama.pairs"),
        ({"probes": {"wikidata": {"sitelink": "en wiki"}}}, "probes.wikidata.sitelink"),
        ({"probes": {"wikidata": {"language": None}}}, "probes.wikidata.language"),
        ({"probes": {"wikidata": {"max_per_relation": 0}}}, "probes.wikidata.max_per_relation"),
    ],
)
def test_wrong_value_is_refused_by_its_key(raw, key):
    (line,) = problems(raw)
    assert f"- {key}" in line


def test_loaded_model_with_its_tokenizer_needs_no_shape_and_no_pretraining():
    model = {"load": "gpt2", "pretrain": {"steps": 0}, "hidden_size": 10, "heads": 3}
    raw = {"model": model, "tokens": {"tokenizer": "gpt2"}, "train": {"learning_rates": [0.0001]}}
    assert load_config(raw).model.pretrain.steps == 0


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://dumps.wikimedia.org", True),
        ("http://localhost", True),
        ("http://localhost:8000/mirror", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000/", True),
        ("http://[::1]/", True),
        ("http://dumps.wikimedia.org", False),
        ("http://localhost.example.org", False),
        ("http://localhost:x@example.org/", False),
        ("ftp://dumps.wikimedia.org", False),
        ("dumps.wikimedia.org", False),
    ],
)
def test_only_encrypted_hosts_and_this_machine_are_fetched_from(url, right):
    raw = {"snapshots": {"wikimedia": {"base_url": url}}}
    if right:
        assert load_config(raw).snapshots.wikimedia.base_url == url
    else:
        (line,) = problems(raw)
        assert "base_url" in line


def test_yaml_spellings_people_write_are_understood(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "snapshots: {dates: [20190101, 20200101]}\n"
        "train: {learning_rates: [3e-3, 1], weight_decay: 0}\n"
        "probes: {sets: [templama], templama: {file: a, pairs: {20200101: ['2019', '2020']}}}\n"
    )
    config = load_config(path)
    assert config.snapshots.dates == ["20190101", "20200101"]
    assert config.train.learning_rates == [0.003, 1.0]
    assert config.probes.templama.pairs == {"20200101": ["2019", "2020"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [("a: [1", "not YAML"), ("- 1", "mapping"), ("", "mapping"), (None, "no such file")],
)
def test_unreadable_file_is_named(tmp_path, content, words):
    path = tmp_path / "my.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TglError, match=rf"my\.yaml: .*{words}"):
        load_config(path)


def test_section_from_json_is_checked_like_the_whole():
    assert load_section(WorldConfig, '{"pages": 300}').pages == 300
    with pytest.raises(TglError, match=r"did you mean 'pages'"):
        load_section(WorldConfig, '{"page": 300}')
    with pytest.raises(TglError, match="not JSON"):
        load_section(WorldConfig, "{pages: 300}")
    with pytest.raises(TglError, match="expected a JSON object"):
        load_section(WorldConfig, "[1]")


def test_configuration_cannot_be_changed_by_a_stage():
    config = Config()
    with pytest.raises(ValueError, match="frozen"):
        config.experiment = "other"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
paths = st.sampled_from(
    [(a,) for a in Config.model_fields]
    + [("snapshots", "dates"), ("snapshots", "synthetic"), ("snapshots", "wikimedia", "base_url")]
    + [
        ("probes", "templama", "pairs"),
        ("probes", "sets"),
        ("model", "pretrain"),
        ("train", "learning_rates"),
    ]
)


@settings(deadline=None, max_examples=50)
@given(paths, values)
def test_any_value_is_accepted_or_refused_with_a_message(path, value):
    raw = value
    for key in reversed(path):
        raw = {key: raw}
    message = None
    try:
        config = load_config(raw)
    except TglError as error:
        message = str(error)
    if message is None:
        assert load_config(json.loads(config.model_dump_json())) == config
    else:
        assert ".".join(path) in message


def test_kept_steps_are_those_that_training_reaches():
    for steps, kept in ((500, [0, 50, 100, 200, 300]), (300, [0, 50, 100, 200]), (1, [0]), (0, [])):
        assert PretrainConfig(steps=steps).kept == kept
