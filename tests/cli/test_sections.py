"""Options out of the sections of the configuration: which there are, how values are read, and what comes first."""

import inspect
import json
from collections import Counter
from types import SimpleNamespace

import pytest
import yaml

from tests.cli.running import passes, refused, shown
from tgl.cli.app import GROUPS, load
from tgl.cli.command import COMMANDS
from tgl.cli.sections import Keys, with_sections
from tgl.config.root import Config
from tgl.config.write import config_yaml
from tgl.core.config_types import Section
from tgl.snapshots.source import Source

NAMES = [name for commands in GROUPS.values() for name, _, _ in commands]
WORLD = ("world", "20190101", "20200101", "--output", "out")
PAGES = ("pages", "files", "--output", "out")
TEXT = ("base-text", "lines", "--output", "out")
PACK = ("pack", "t", "--kind", "pages", "--tokenizer", "t", "--output", "out")
DOWNLOAD = ("download", "20200101", "--folder", "dumps", "--output", "out")
BASE = ("base", "--tokenizer", "t", "--tokens", "t", "--output", "o", "--steps", "s", "--state", "s")
TRAIN = (
    "train", "m", "--base-tokens", "b", "--tokens", "20200101=t", "--probes", "p", "--profile", "p", "--plan", "p",
    "--models", "m", "--tables", "t", "--state", "s", "--learning-rate", "0.1",
)  # fmt: skip


class Unchecked:
    """Takes every input for good."""

    def __getattr__(self, name):
        return lambda *given, **options: self


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """Return a function from a command line to the sections that the command's work is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tgl.cli.data.Checked", Unchecked)
    monkeypatch.setattr("tgl.cli.models.Checked", Unchecked)
    found = []

    # By command, what is called for its work and what of that call is of interest.
    works = {
        "world": ("tgl.snapshots.catalogue.write_world", lambda given, options: given[0]),
        "pages": ("tgl.snapshots.extract.pages.extract_pages", lambda given, options: options["settings"]),
        "base-text": ("tgl.text.documents.json_lines_to_pages", lambda given, options: given[2]),
        "pack": ("tgl.text.stage.write_packed", lambda given, options: options),
        "train": ("tgl.train.continual.train_periods", lambda given, options: given[0].settings),
        "base": ("tgl.train.base.train_base", lambda given, options: given[0].model),
    }
    monkeypatch.setattr("tgl.snapshots.catalogue.dump_paths", lambda *given: [])

    def run(*arguments):
        found.clear()
        target, of_interest = works[arguments[0]]
        monkeypatch.setattr(target, lambda *given, **options: found.append(of_interest(given, options)))
        passes(*arguments)
        (settings,) = found
        return settings

    return run


@pytest.fixture
def config(tmp_path):
    """Return a function that writes a configuration file."""

    def write(**sections):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(sections))
        return path

    return write


def work_of(name):
    """Return the function of a command, whose parameters are the sections."""
    load(name)
    function = COMMANDS[name]
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def sections_of(name):
    """Return (class, keys) of each section that a command takes."""
    parameters = inspect.signature(work_of(name), eval_str=True).parameters
    annotations = [parameter.annotation for parameter in parameters.values()]
    marks = [(one.__origin__, mark) for one in annotations for mark in getattr(one, "__metadata__", ())]
    return [(kind, mark) for kind, mark in marks if isinstance(mark, Keys)]


TAKING = [name for name in NAMES if sections_of(name)]


def metavar_of(kind, key):
    words = kind.model_json_schema()["properties"][key]
    kinds = {one.get("type"): one for one in words.get("anyOf", [words])}
    choices = next((one["enum"] for one in kinds.values() if "enum" in one), None)
    names = {"integer": "NUMBER", "number": "NUMBER", "boolean": "true|false", "string": "TEXT"}
    return "|".join(map(str, choices)) if choices else next(names[name] for name in kinds if name in names)


@pytest.mark.parametrize("name", TAKING)
def test_the_help_shows_each_key_with_metavar_description_and_default(name):
    printed = shown(name, "--help")
    for kind, keys in sections_of(name):
        for key, option in keys.fields(kind).items():
            about = kind.model_fields[key]
            default = yaml.safe_dump(about.default).removesuffix("...\n").strip()
            row = f"{option} {metavar_of(kind, key)} {about.description} [default: {default}]"
            assert " ".join(row.split()) in printed
    assert "--config FILE" in printed
    assert "--set KEY=VALUE" in printed


@pytest.mark.parametrize("name", TAKING)
def test_the_hidden_options_are_taken_and_not_in_the_help(name):
    hidden = {keys.given for _, keys in sections_of(name) if keys.given not in (None, "--config")}
    assert hidden == {option for p in load(name).params if getattr(p, "hidden", False) for option in p.opts}
    printed = shown(name, "--help")
    assert not [option for option in hidden if option in printed]


def test_the_workflow_hands_over_the_other_sections_of_a_training_by_hidden_options():
    assert {keys.given for _, keys in sections_of("train")} == {
        "--config", "--token-config", "--profile-config", "--plan-config", "--baseline-config",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_option_of_a_command_is_there_twice(name):
    counts = Counter(option for parameter in load(name).params for option in parameter.opts)
    assert [option for option, count in counts.items() if count > 1] == []


def test_what_one_option_cannot_hold_is_no_option():
    printed = shown("base", "--help")
    assert "--pretrain" not in printed  # a section
    assert "--learning-rates" not in shown("train", "--help")  # a list


@pytest.mark.parametrize(
    ("call", "key", "value", "read"),
    [
        (WORLD, "pages", "300", 300),
        (WORLD, "pages", "+300", 300),
        (WORLD, "updated_share", "0.5", 0.5),
        (WORLD, "updated_share", "5e-1", 0.5),
        (WORLD, "updated_share", "0", 0.0),
        (WORLD, "domain", "records", "records"),
        (WORLD, "seed", "4294967295", 4294967295),
        (PAGES, "tables", "true", True),
        (PAGES, "tables", "False", False),
    ],
)
def test_values_are_read_as_the_types_of_the_section(taken, call, key, value, read):
    found = getattr(taken(*call, f"--{key.replace('_', '-')}", value), key)
    assert (found, type(found)) == (read, type(read))


def test_null_stands_for_no_value(taken, config):
    file = config(text={"max_characters": 7})
    assert taken(*TEXT, "--config", file) == 7
    assert taken(*TEXT, "--config", file, "--max-characters", "null") is None
    assert taken(*TEXT, "--config", file, "--set", "text.max_characters=null") is None
    assert taken(*TEXT, "--max-characters", "9") == 9


@pytest.mark.parametrize(
    ("call", "option", "value", "words", "found"),
    [
        (WORLD, "--pages", "12.5", "valid integer", "12.5"),
        (WORLD, "--pages", "many", "valid integer", "'many'"),
        (WORLD, "--pages", "", "valid integer", "''"),
        (WORLD, "--pages", "199", "greater than or equal to 200", "199"),
        (WORLD, "--pages", "null", "valid integer", "None"),
        (WORLD, "--updated-share", "nan", "valid number", "'nan'"),
        (WORLD, "--updated-share", "1", "less than 1", "1"),
        (WORLD, "--domain", "recrds", "'encyclopedia' or 'records'", "'recrds'"),
        (PAGES, "--tables", "maybe", "valid boolean", "'maybe'"),
        (PACK, "--language", "xx", "ISO 639-1", "'xx'"),
        (PACK, "--holdout-share", "2", "less than or equal to 0.9", "2"),
    ],
)
def test_other_values_are_refused_with_option_value_and_what_is_expected(
    taken, call, option, value, words, found
):
    error = refused(*call, option, value)
    assert error.startswith(f"tgl {call[0]}: {option}: ")
    assert words in error
    assert f"found {found}" in error


def test_a_wrong_word_has_the_nearest_right_one(taken):
    assert "(did you mean 'records'?)" in refused(*WORLD, "--domain", "recrds")


def test_several_wrong_values_are_reported_at_once_each_with_where_it_is_from(taken, config):
    file = config(snapshots={"synthetic": {"candidates": 1}})
    error = refused(*WORLD, "--config", file, "--set", "snapshots.synthetic.new_share=x", "--pages", "1")
    first, *problems = error.splitlines()
    assert first == "tgl world: settings: 3 problems"
    assert {line.split(": Input")[0] for line in problems} == {
        "  - --pages",
        "  - --set snapshots.synthetic.new_share",
        f"  - {file}: snapshots.synthetic.candidates",
    }


def test_a_file_gives_the_sections_of_the_command_alone(taken, config):
    file = config(
        experiment=5, snapshots={"synthetic": {"pages": 321}, "source": 7}, model={"no_such_key": 1}, other=1
    )
    assert taken(*WORLD, "--config", file).pages == 321


def test_a_file_gives_every_section_of_a_training(taken, config):
    file = config(
        train={"steps": 7}, tokens={"block_size": 32}, profile={"periods": "each"}, plan={"salient": "new_entity"},
        baselines={"lora": {"rank": 3}, "ewc": {"weight": 5.0}},
    )  # fmt: skip
    found = taken(*TRAIN, "--config", file, "--baseline", "lora")
    assert (found.train.steps, found.tokens.block_size) == (7, 32)
    assert (found.profile.periods, found.plan.salient, found.baseline.rank) == ("each", "new_entity", 3)
    assert taken(*TRAIN, "--config", file).baseline is None  # plain training has no settings


def test_a_file_gives_share_and_language_of_the_text(taken, config):
    file = config(text={"holdout_share": 0.2, "language": "de"})
    assert taken(*PACK, "--config", file)["holdout_share"] == 0.2
    assert taken(*PACK, "--config", file, "--holdout-share", "0.3")["holdout_share"] == 0.3
    assert taken(*PACK)["holdout_share"] == 0.05


def test_the_settings_of_a_baseline_can_be_set(taken):
    assert taken(*TRAIN, "--baseline", "lora", "--set", "baselines.lora.rank=3").baseline.rank == 3
    error = refused(*TRAIN, "--baseline", "lora", "--set", "baselines.ewc.weight=3")
    assert error.startswith("tgl train: --set baselines.ewc.weight: this command has no such setting")


def test_a_baseline_without_settings_refuses_any(taken):
    error = refused(*TRAIN, "--set", "baselines.plain.rank=3")
    assert error.startswith("tgl train: --set baselines.plain.rank: unknown key")
    error = refused(*TRAIN, "--set", "baselines.lora.rank=3")
    assert error.startswith("tgl train: --set baselines.lora.rank: this command has no such setting")


def test_a_source_without_settings_takes_none(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "tgl.snapshots.sources.wikimedia.SOURCE", Source(None, lambda *given, **more: ([], {}))
    )
    error = refused(*DOWNLOAD, "--set", "train.steps=3")
    assert "this command has no such setting; expected a key of snapshots.wikimedia\n" in error


def test_a_section_of_a_file_that_is_none_is_refused_with_its_key(taken, config):
    file = config(snapshots={"synthetic": 5})
    error = refused(*WORLD, "--config", file)
    assert f"{file}: snapshots.synthetic: found 5, expected a section with keys" in error
    error = refused(*WORLD, "--config", config(snapshots=[1]))
    assert f"{file}: snapshots: found [1], expected a section with keys" in error


def test_a_wrong_key_of_a_file_is_refused_with_file_and_full_key(taken, config):
    file = config(snapshots={"synthetic": {"pags": 300}})
    assert refused(*WORLD, "--config", file).splitlines() == [
        f"tgl world: {file}: 1 problem",
        "  - snapshots.synthetic.pags: unknown key (did you mean 'pages'?)",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("a: [", "not YAML"),
        ("- a", "found list"),
        ("train: {}\ntrain: {}", "twice"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(taken, tmp_path, text, words):
    path = tmp_path / "c.yaml"
    if text is not None:
        path.write_text(text)
    error = refused(*WORLD, "--config", path)
    assert str(path) in error
    assert words in error


def test_json_gives_the_main_section_as_the_workflow_hands_it_over(taken):
    assert taken(*WORLD, "--config", '{"pages": 333, "domain": "records"}').pages == 333
    assert taken(*WORLD, "--config", ' {"pages": 333}').domain == "encyclopedia"
    found = taken(*TRAIN, "--config", '{"steps": 7}', "--token-config", '{"block_size": 32}')
    assert (found.train.steps, found.tokens.block_size) == (7, 32)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"pages": 3', "not JSON"),
        ("[1]", "a JSON object expected, found '[1]'"),
        ('{"pages": 300, "pages": 400}', "not JSON"),
        ('{"pags": 300}', "--config: 1 problem\n  - pags: unknown key (did you mean 'pages'?)"),
    ],
)
def test_json_of_another_form_is_refused_by_its_option(taken, text, words):
    error = refused(*WORLD, "--config", text)
    assert error.startswith("tgl world: --config: ")
    assert words in error


def test_a_nested_key_can_be_set(taken):
    keys = ("--set", "model.pretrain.steps=12", "--set", "model.pretrain.keep=[0, 6]")
    model = taken(*BASE, *keys, "--layers", "3")
    assert (model.pretrain.steps, model.pretrain.keep, model.layers) == (12, [0, 6], 3)


def test_a_nested_key_that_is_wrong_is_refused_with_its_full_name(taken):
    for pair in ("model.pretrain.steps=many", "model.pretrain={steps: many}"):
        error = refused(*BASE, "--set", pair)
        assert error.startswith("tgl base: --set model.pretrain.steps: Input should be a valid integer")
    assert "(did you mean 'steps'?)" in refused(*BASE, "--set", "model.pretrain.stesp=1")


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (
            "train.steps=3",
            "train.steps: this command has no such setting; expected a key of snapshots.synthetic",
        ),
        ("snapshots.syntetic.pages=300", "(did you mean 'snapshots.synthetic.pages'?)"),
        ("snapshots.synthetic.pags=300", "unknown key (did you mean 'pages'?)"),
        ("snapshots.synthetic=300", "this command has no such setting"),
        ("snapshots.synthetic.pages", "expected KEY=VALUE"),
        ("=300", "expected KEY=VALUE"),
        ("snapshots..pages=300", "expected KEY=VALUE"),
        ("snapshots.synthetic.=300", "expected KEY=VALUE"),
        ("", "expected KEY=VALUE"),
        ("snapshots.synthetic.pages=[", "the value is not YAML"),
        ("snapshots.synthetic.pages=!!int x", "the value is not YAML"),
        ("snapshots.synthetic.pages=!thing x", "the value is not YAML"),
        ("snapshots.synthetic.pages=2019-99-99", "the value is not YAML"),
        ("snapshots.synthetic.pages={a: 1}", "valid integer, found {'a': 1}"),
        ("snapshots.synthetic.pages=2019-01-01", "valid integer"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_the_pair(taken, pair, words):
    error = refused(*WORLD, "--set", pair)
    assert error.startswith(f"tgl world: --set {pair.partition('=')[0]}")
    assert words in error
    assert len(error.splitlines()) == 1


def test_a_key_set_twice_is_refused(taken):
    pages = "snapshots.synthetic.pages"
    error = refused(*WORLD, "--set", f"{pages}=300", "--set", f"{pages}=400")
    assert error == f"tgl world: --set {pages}=400: the key '{pages}' is given twice; keep one of them\n"


def test_an_option_comes_before_set_and_set_before_the_configuration(taken, config):
    file = config(snapshots={"synthetic": {"pages": 300, "seed": 1}})
    pages = ("--set", "snapshots.synthetic.pages=400")
    option = ("--pages", "500")
    assert taken(*WORLD).pages == 480
    assert taken(*WORLD, "--config", file).pages == 300
    assert taken(*WORLD, "--config", '{"pages": 300}').pages == 300
    assert taken(*WORLD, "--config", file, *pages).pages == 400
    assert taken(*WORLD, *pages, "--config", '{"pages": 300}').pages == 400
    found = taken(*WORLD, *option, "--config", file, *pages)
    assert (found.pages, found.seed) == (500, 1)
    assert taken(*WORLD, *option, *pages).pages == 500


def test_the_default_as_an_option_still_comes_first(taken, config):
    """What the help shows as the default is a value like others where it is given."""
    file = config(snapshots={"synthetic": {"pages": 300}})
    assert taken(*WORLD, "--config", file, "--pages", "480").pages == 480


def test_a_good_option_replaces_a_wrong_value_of_the_file(taken, config):
    file = config(snapshots={"synthetic": {"pages": 1}})
    assert taken(*WORLD, "--config", file, "--pages", "300").pages == 300


def test_the_settings_of_a_source_come_from_its_own_section(monkeypatch, tmp_path, config):
    found = []
    monkeypatch.chdir(tmp_path)

    def download(settings, date, folder, say):
        found.append(settings)
        (folder / "dump.xml").write_text("<mediawiki/>")
        return [folder / "dump.xml"], {}

    monkeypatch.setattr("tgl.snapshots.wikimedia.download.download_dump", download)
    file = config(snapshots={"wikimedia": {"contact": "a@b.org", "wiki": "dewiki"}})
    passes(*DOWNLOAD, "--config", file, "--set", "snapshots.wikimedia.wiki=frwiki")
    passes(*DOWNLOAD, "--config", json.dumps({"contact": "a@b.org"}))
    assert [(one.contact, one.wiki) for one in found] == [("a@b.org", "frwiki"), ("a@b.org", "enwiki")]
    error = refused(*DOWNLOAD, "--set", "snapshots.wikimedia.wki=x")
    assert "--set snapshots.wikimedia.wki: unknown key (did you mean 'wiki'?)" in error
    assert "no files to fetch" in refused(*DOWNLOAD, "--source", "local")


def test_a_command_without_sections_takes_no_settings():
    printed = shown("verify", "--help")
    assert "--set" not in printed
    assert "Settings" not in printed


@pytest.mark.parametrize("name", TAKING)
def test_a_file_with_every_key_is_taken(name, tmp_path):
    """The default configuration holds more sections, and more keys of a section, than any command needs."""
    (tmp_path / "config.yaml").write_text(config_yaml(Config()))
    found = {}

    def work(**values):
        found.update(values)

    work.__signature__ = inspect.signature(work_of(name), eval_str=True)
    command, chosen = with_sections(work), {"baseline": "lora", "source": "wikimedia"}
    values = {
        parameter: chosen.get(parameter, about.default)
        for parameter, about in inspect.signature(command).parameters.items()
        if parameter != "context"
    }
    context = SimpleNamespace(get_parameter_source=lambda parameter: SimpleNamespace(name="DEFAULT"))
    command(context, **values | {"config": str(tmp_path / "config.yaml")})
    for parameter, about in work.__signature__.parameters.items():
        if any(isinstance(mark, Keys) for mark in getattr(about.annotation, "__metadata__", ())):
            assert isinstance(found[parameter], Section)
