"""Contract tests run over every row of the registries: ours, those of `examples/`, and those of `--plugin` packages.

    pytest --plugin my_package tests/contracts

tests a package's methods, encoders, views, ... as ours are tested, without a line of its own.
"""

from pathlib import Path

import pytest

from coview.registry import load_plugins

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--plugin", action="append", default=[], metavar="MODULE", help="test what this module registers")


def examples_that_register() -> list[str]:
    """Return the examples that add something to a registry, as modules; the others are scripts."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.py"))}
    return [f"examples.{path.stem}" for path, text in texts.items() if "@coview.register(" in text]


def pytest_configure(config: pytest.Config) -> None:
    """Load plugins before the test files list the rows."""
    load_plugins([*examples_that_register(), *config.getoption("--plugin", default=[])])
