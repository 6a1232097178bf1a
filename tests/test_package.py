import subprocess
import sys

import pytest

import tgl


def test_importing_the_package_imports_neither_torch_nor_transformers():
    # In a process of its own: this one has imported everything.
    code = (
        "import sys, tgl; heavy = {'torch', 'transformers', 'datasets', 'pandas'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_offers_the_profile():
    from tgl.profiling.stage import Profile, profile

    assert callable(tgl.profile)
    assert tgl.profile is profile
    assert tgl.Profile is Profile
    assert set(tgl.__all__) == {"Profile", "profile"}


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tgl' has no attribute 'profil'"):
        tgl.profil  # noqa: B018
    assert not hasattr(tgl, "train_everything")
    with pytest.raises(ImportError):
        from tgl import nothing  # noqa: F401
