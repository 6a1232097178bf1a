"""Profiles that causal tracing and movement are compared with: units, and norms that are not finite."""

import shutil

import numpy as np
import pytest

from tests.analysis.agree_runs import agreed, table, written
from tgl.core.errors import TglError
from tgl.core.tables.read import read_about, read_counts, read_table
from tgl.core.tables.write import write_table
from tgl.profiling.profile import profile
from tgl.profiling.settings import ProfileConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("agree"))


def test_examples_whose_norms_are_not_finite_are_left_out_and_counted(folder, tmp_path):
    shutil.copytree(folder / "profile", tmp_path / "profile")
    norms = read_table(folder / "profile" / "norms.parquet", "norms").to_pandas()
    about = read_about(folder / "profile" / "norms.parquet")
    first = norms[
        (norms["group"] == "new_entity") & (norms["weights"] == "trained") & (norms["example"] >= 0)
    ]
    norms.loc[first.index[0], "norm"] = np.inf
    write_table(norms.to_dict("records"), tmp_path / "profile" / "norms.parquet", "norms", about=about)
    agreed(folder, tmp_path / "out", profile=tmp_path / "profile")
    counts = read_counts(tmp_path / "out" / "tracing.parquet")
    assert counts["new_entity: norms not finite"] == 1
    assert "updated: norms not finite" not in counts
    assert np.isfinite(table(tmp_path / "out", "agreement")["correlation"]).all()


def test_a_profile_of_matrices_is_refused_with_the_unit(folder, tmp_path):
    inputs = {"probes": folder / "probes.parquet", "corpus": folder / "tokens.parquet"}
    by_matrix = ProfileConfig(examples=6, bootstrap=100, unit="module")
    profile(folder / "model", **inputs, settings=by_matrix, twin=True).save(tmp_path / "profile")
    with pytest.raises(
        TglError, match=r"found no norms of block00\.attention.* of the unit 'module', expected"
    ):
        agreed(folder, tmp_path / "out", profile=tmp_path / "profile")
