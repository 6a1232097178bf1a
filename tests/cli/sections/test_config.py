"""Sections out of --config: a file, or JSON from the workflow."""

import inspect
from types import SimpleNamespace

import pytest

from tests.cli.running import refused
from tests.cli.sections.command_lines import PACK, TAKING, TRAIN, WORLD, work_of
from tgl.cli.section_options import with_sections
from tgl.cli.sections import Keys
from tgl.config.root import Config
from tgl.config.write import config_yaml
from tgl.core.config_types import Section


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
