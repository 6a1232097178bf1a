import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import REPOSITORY
from tgl.core.layout import BASE, PATTERNS, Layout, field_of, place

FIELD = re.compile(r"\{(\w+)\}")
LAYOUT = Layout("results/small", "gpt2")
# What fields look like in an experiment.
VALUES = {
    "date": "20190101", "old": "20190101", "period": "20200101", "shard": 3, "seed": 0, "method": "full-plain-lr0.001",
    "plan": "tgl_fp.top25", "step": 6, "file": "index.html", "job": "probes",
    "salient": "updated",
}  # fmt: skip


def fields(artifact):
    """Return the names of the fields of an artifact, without that of the model."""
    return [name for name in FIELD.findall(PATTERNS[artifact]) if name != "model"]


def below(path):
    """Return a path below the folder of results."""
    return path.removeprefix("results/small/")


@pytest.mark.parametrize(
    ("artifact", "path"),
    [
        ("facts", "snapshots/facts.parquet"),
        ("dump", "snapshots/20190101/dump"),
        ("files", "snapshots/20190101/files.parquet"),
        ("pages", "snapshots/20190101/pages/3.parquet"),
        ("diff", "diff/20190101_20200101/3.parquet"),
        ("probes", "probes/probes.parquet"),
        ("counterfactual_probes", "snapshots/probes.parquet"),
        ("snapshot_probes", "probes/snapshots/20200101/3.parquet"),
        ("wikidata", "probes/wikidata.jsonl"),
        ("tokenizer", "tokens/tokenizer"),
        ("tokens", "tokens/20200101.parquet"),
        ("withheld", "withheld/20200101.parquet"),
        ("base_model", "models/gpt2/base/seed0"),
        ("kept_model", "models/gpt2/base/seed0/along/6"),
        ("model", "models/gpt2/full-plain-lr0.001/seed0/20200101"),
        ("state", "state/gpt2/full-plain-lr0.001/seed0"),
        ("profile", "profile/gpt2/seed0/20200101/profile.parquet"),
        ("norms", "profile/gpt2/seed0/20200101/norms.parquet"),
        ("comparisons", "profile/gpt2/seed0/20200101/comparisons.parquet"),
        ("interference", "profile/gpt2/seed0/20200101/interference-updated.parquet"),
        ("profile_picture", "profile/gpt2/seed0/20200101/profile.svg"),
        ("denominators_picture", "profile/gpt2/seed0/20200101/denominators.svg"),
        ("along", "profile/gpt2/seed0/along.parquet"),
        ("along_examples", "profile/gpt2/seed0/along-examples.parquet"),
        ("tracing", "agree/gpt2/seed0/tracing.parquet"),
        ("movement", "agree/gpt2/seed0/movement.parquet"),
        ("agreement", "agree/gpt2/seed0/agreement.parquet"),
        ("plan", "plan/gpt2/seed0/tgl_fp.top25.json"),
        ("scores", "scores/gpt2/full-plain-lr0.001/seed0/scores.parquet"),
        ("lm_loss", "scores/gpt2/full-plain-lr0.001/seed0/lm_loss.parquet"),
        ("generations", "scores/gpt2/full-plain-lr0.001/seed0/generations.parquet"),
        ("step_scores", "scores/gpt2/full-plain-lr0.001/seed0/step_scores.parquet"),
        ("step_losses", "scores/gpt2/full-plain-lr0.001/seed0/step_losses.parquet"),
        ("steps", "scores/gpt2/full-plain-lr0.001/seed0/steps.parquet"),
        ("rates", "scores/gpt2/full-plain-lr0.001/seed0/rates.parquet"),
        ("drift", "scores/gpt2/full-plain-lr0.001/seed0/drift.parquet"),
        ("report", "report/index.html"),
        ("log", "logs/probes.log"),
        ("benchmark", "benchmarks/probes.tsv"),
    ],
)
def test_each_artifact_has_its_path(artifact, path):
    given = {name: VALUES[name] for name in fields(artifact)}
    assert LAYOUT.path(artifact, **given) == f"results/small/{path}"


def test_the_paths_above_are_all_there_are():
    (mark,) = test_each_artifact_has_its_path.pytestmark
    assert [artifact for artifact, _ in mark.args[1]] == list(PATTERNS)


def test_fields_that_are_not_given_stay_wildcards():
    assert LAYOUT.path("pages") == "results/small/snapshots/{date}/pages/{shard}.parquet"
    assert LAYOUT.path("scores", seed=1) == "results/small/scores/gpt2/{method}/seed1/scores.parquet"
    assert LAYOUT.path("scores", method=BASE) == "results/small/scores/gpt2/base/seed{seed}/scores.parquet"
    assert LAYOUT.path("pages", date="{old}", shard=0) == "results/small/snapshots/{old}/pages/0.parquet"
    assert (
        LAYOUT.path("model", model="other", period=BASE)
        == "results/small/models/other/{method}/seed{seed}/base"
    )


def test_an_unknown_artifact_is_a_key_error():
    for use in (lambda: LAYOUT.path("page"), lambda: place("page", "x"), lambda: field_of("page", "x", "y")):
        with pytest.raises(KeyError, match="page"):
            use()


def test_an_unknown_field_is_named_with_those_there_are():
    with pytest.raises(TypeError, match=r"pages: .*period, seed.*\['date', 'shard'\]"):
        LAYOUT.path("pages", date="20190101", seed=1, period="x")
    with pytest.raises(TypeError, match=r"facts: .*model.*\[\]"):
        LAYOUT.path("facts", model="gpt2")


texts = st.text("abcXYZ019_-.", min_size=1, max_size=8)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.sampled_from(sorted(PATTERNS)), st.data())
def test_place_finds_the_fields_of_a_path_again(artifact, data):
    names = FIELD.findall(PATTERNS[artifact])
    values = {
        name: str(data.draw(st.integers(0, 999))) if name == "shard" else data.draw(texts, label=name)
        for name in names
    }
    path = below(LAYOUT.path(artifact, **values))
    *folders, last = PATTERNS[artifact].split("/")
    parts = [part for part in folders if FIELD.search(part)]
    parts += [last.partition(".")[0]] if set(FIELD.findall(last)) - {"shard"} else []
    named = [FIELD.sub(lambda field: values[field[1]], part) for part in parts]
    assert place(artifact, path) == ("--".join(named) or "default", int(values.get("shard", 0)))
    for name, value in values.items():
        found = field_of(artifact, path, name)
        # Two fields with _ between them, that hold _ themselves, can be told apart in several ways.
        assert found == value or ({"old", "period"} <= set(names) and "_" in values["old"] + values["period"])


@pytest.mark.parametrize(
    ("artifact", "path", "expected"),
    [
        ("facts", "snapshots/facts.parquet", ("default", 0)),
        ("probes", "probes/probes.parquet", ("default", 0)),
        ("tokens", "tokens/20200101.parquet", ("20200101", 0)),
        ("tokens", "tokens/base.parquet", ("base", 0)),
        ("files", "snapshots/20190101/files.parquet", ("20190101", 0)),
        ("pages", "snapshots/20190101/pages/12.parquet", ("20190101", 12)),
        ("diff", "diff/20190101_20200101/7.parquet", ("20190101_20200101", 7)),
        ("snapshot_probes", "probes/snapshots/20200101/1.parquet", ("20200101", 1)),
        ("profile", "profile/gpt2/seed0/20200101/profile.parquet", ("gpt2--seed0--20200101", 0)),
        ("along", "profile/gpt2/seed1/along.parquet", ("gpt2--seed1", 0)),
        ("agreement", "agree/gpt2/seed1/agreement.parquet", ("gpt2--seed1", 0)),
        ("scores", "scores/gpt2/base/seed0/scores.parquet", ("gpt2--base--seed0", 0)),
        ("plan", "plan/gpt2/seed0/tgl_fp.top25.json", ("gpt2--seed0--tgl_fp.top25", 0)),
        ("model", "models/gpt2/full/seed0/20200101", ("gpt2--full--seed0--20200101", 0)),
        (
            "rates",
            "scores/gpt2/full-plain-lr0.001/seed0/rates.parquet",
            ("gpt2--full-plain-lr0.001--seed0", 0),
        ),
    ],
)
def test_the_configuration_names_what_tells_an_artifact_from_others(artifact, path, expected):
    assert place(artifact, path) == expected


@pytest.mark.parametrize(
    ("artifact", "path"),
    [
        ("probes", "probes/snapshots/20200101/1.parquet"),
        ("probes", "x/probes/probes.parquet"),
        ("probes", "probes/probes.parquet.part"),
        ("probes", "probes/probesxparquet"),
        ("pages", "snapshots/20190101/pages/a.parquet"),
        ("pages", "snapshots/20190101/pages/-1.parquet"),
        ("pages", "snapshots/20190101/pages/x/0.parquet"),
        ("pages", "snapshots//pages/0.parquet"),
        ("scores", "scores/gpt2/base/seed/scores.parquet"),
        ("scores", "scores/gpt2/base/seed0/lm_loss.parquet"),
        ("along", "profile/gpt2/seed1/20200101/along.parquet"),
        ("facts", ""),
    ],
)
def test_other_files_have_no_place(artifact, path):
    assert place(artifact, path) is None


def test_a_field_is_none_in_the_path_of_another_artifact():
    assert field_of("scores", "scores/gpt2/base/seed0/scores.parquet", "method") == "base"
    assert field_of("scores", "scores/gpt2/base/seed0/steps.parquet", "method") is None
    assert field_of("scores", "old/scores/gpt2/base/seed0/scores.parquet", "method") is None


def test_no_file_is_two_artifacts():
    for artifact in PATTERNS:
        path = below(
            LAYOUT.path(
                artifact,
                **{name: VALUES[name] for name in FIELD.findall(PATTERNS[artifact]) if name in VALUES},
            )
        )
        assert [other for other in PATTERNS if place(other, path)] == [artifact]


def test_the_rules_declare_artifacts_of_the_layout_alone():
    """Snakemake checks the fields of each call when it reads the rules; a rule that is not read here is checked too."""
    # The name, and the arguments behind it, which may be calls themselves.
    calls, used = re.compile(r"\bpath\(\s*\"(\w+)\"((?:[^()]|\([^()]*\))*)\)"), set()
    for file in sorted((REPOSITORY / "workflow").rglob("*.smk")):
        text = file.read_text()
        for artifact, arguments in calls.findall(text):
            keywords = re.findall(r"(\w+)=", re.sub(r"\([^()]*\)", "", arguments))
            LAYOUT.path(artifact, **dict.fromkeys(keywords))
            used.add(artifact)
        # A path of an artifact that is written out would not follow the layout.
        tops = "|".join(sorted({pattern.partition("/")[0] for pattern in PATTERNS.values()}))
        assert re.findall(rf"\"(?:results/|\{{RESULTS\}}/)?(?:{tops})/[^\"]*\.\w+\"", text) == [], file
    assert used == set(PATTERNS)
