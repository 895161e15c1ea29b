"""`import coview` is cheap, and every public name is there."""

import subprocess
import sys

import pytest

import coview


def test_every_name_is_what_it_says():
    for name in coview.__all__:
        assert getattr(coview, name).__name__ == name
        assert name in dir(coview)
    assert sorted(coview._PLACES) == coview.__all__


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="'coview' has no attribute 'lod'"):
        _ = coview.lod


def test_importing_it_imports_nothing_heavy():
    code = "import sys, coview; print([name for name in ('torch', 'numpy', 'av', 'pyarrow') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
