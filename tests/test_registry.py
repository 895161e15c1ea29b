"""Names in configs lead to objects, and wrong names to help."""

import pytest

from coview.errors import UserError
from coview.registry import Registry, did_you_mean

ROWS: Registry[type] = Registry("number", {"fraction": "fractions:Fraction", "decimal": "decimal:Decimal"})


def test_load_imports_the_object():
    from fractions import Fraction

    assert ROWS.load("fraction") is Fraction
    assert list(ROWS) == ["fraction", "decimal"]
    assert "decimal" in ROWS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fractoin", r"unknown number 'fractoin'; did you mean 'fraction'\? Known: fraction, decimal\."),
        ("xyz", r"unknown number 'xyz'\. Known: fraction, decimal\."),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UserError, match=message):
        ROWS.load(name)


def test_did_you_mean_says_nothing_without_a_close_match():
    assert did_you_mean("qqq", ["rgb", "flow"]) == ""
