import pytest

from tests.support.model_fixtures import some_probes, tiny_model, tiny_tokenizer, write_probes, write_tokens
from tgl.core.tables.write import to_arrow
from tgl.models.checkpoint import save_model
from tgl.profiling.along import profile_along
from tgl.profiling.factors import example_norms
from tgl.profiling.profile import profile
from tgl.profiling.settings import ProfileConfig

SETTINGS = ProfileConfig(examples=4, bootstrap=100)


@pytest.fixture
def folder(tmp_path):
    for step, seed in ((0, 1), (20, 2)):
        save_model(tiny_model(seed=seed, spread=3), tiny_tokenizer(), tmp_path / str(step))
    write_probes(tmp_path / "probes.parquet", some_probes())
    write_tokens(tmp_path / "tokens.parquet")
    return tmp_path


def test_every_step_has_the_profile_of_its_own_weights(folder):
    inputs = {"probes": folder / "probes.parquet", "corpus": folder / "tokens.parquet"}
    along, examples = profile_along(
        {0: folder / "0", 20: folder / "20"}, **inputs, period="20200101", settings=SETTINGS, seed=3,
        say=lambda text: None,
    )  # fmt: skip
    along = to_arrow(along, "along").to_pandas()  # as it is written
    examples = to_arrow(examples, "along_examples").to_pandas()
    assert along["step"].unique().tolist() == examples["step"].unique().tolist() == [0, 20]
    for step in (0, 20):
        alone = profile(
            folder / str(step), **inputs, period="20200101", settings=SETTINGS, seed=3, twin=False
        )
        whole = alone.profile[alone.profile["sublayer"] == "all"]
        assert along[along["step"] == step]["relative_norm"].tolist() == whole["relative_norm"].tolist()
        own = examples[examples["step"] == step].drop(columns="step").reset_index(drop=True)
        assert own["norm"].tolist() == example_norms(alone.norms)["norm"].tolist()
    first, last = (along[along["step"] == step]["relative_norm"].tolist() for step in (0, 20))
    assert first != last
