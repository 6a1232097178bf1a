"""Single settings by --set, and what comes first: an option, --set or the configuration."""

import json

import pytest

from tests.cli.running import passes, refused
from tests.cli.sections.command_lines import BASE, DOWNLOAD, TRAIN, WORLD
from tgl.snapshots.source import Source


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


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("documents", "20200101", "--pages", "p", "--files", "f"), "snapshots.documents.collections"),
        (("history", "h.bz2", "20200101", "20210101", "--output", "o"), "snapshots.history.pattern"),
        (("pack", "p", "--kind", "pages", "--tokenizer", "t", "--output", "o"), "tokens.tokenizer"),
        (("tokenizer", "p", "--output", "o"), "tokens.block_size"),
        (("plan", "p", "--method", "full", "--output", "o"), "plan.borrow"),
        (("profile", "m", "--probes", "p", "--corpus", "c", "--output", "o"), "profile.periods"),
    ],
)
def test_a_setting_without_effect_on_the_command_is_refused(command, key):
    error = refused(*command, "--set", f"{key}=3")
    assert error.startswith(f"tgl {command[0]}: --set {key}: this command has no such setting")


def test_a_setting_that_is_no_option_has_an_effect():
    error = refused(
        "profile", "m", "--probes", "p", "--corpus", "c", "--output", "o", "--set", "profile.seed=many"
    )
    assert error.startswith("tgl profile: --set profile.seed: Input should be a valid integer")


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
