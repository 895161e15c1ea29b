"""What every analysis keeps to: findings that can be written, figures with captions, reasons where there is nothing."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest

from coview.analysis import ANALYSES, analyse_all, read_analyses
from coview.config import as_plain
from small_run import make_data, make_run

pytestmark = pytest.mark.xdist_group("analyses")  # so that one process runs all of them, once


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Every analysis of a small run with two classes, as it comes: where there is too little, with the reason."""
    root = tmp_path_factory.mktemp("analyses")
    (root / "data").mkdir()
    make_data(root / "data", root / "videos")
    make_run(root / "run", root / "data")
    return {outcome.analysis: outcome for outcome in analyse_all(root / "run", root / "data", part="all")}


@pytest.mark.parametrize("name", list(ANALYSES))
def test_it_is_described_and_set_by_a_frozen_dataclass(name):
    kind = ANALYSES.load(name)
    assert kind.__doc__
    settings = kind.Settings()
    assert kind(settings).settings == settings
    assert settings.__dataclass_params__.frozen
    json.dumps(as_plain(settings))


@pytest.mark.parametrize("name", list(ANALYSES))
def test_it_says_what_it_found_or_why_nothing(name, outcomes):
    outcome = outcomes[name]
    assert (outcome.result is None) == bool(outcome.reason)
    if outcome.result is None:
        assert "\n" not in outcome.reason
        return
    found, path = outcome.result.findings, Path(outcome.result.path)
    assert found.sentences
    assert all(sentence.endswith((".", ")")) for sentence in found.sentences)
    assert all(list(record) == list(found.records[0]) for record in found.records)
    with path.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(found.records)
    names = [figure.name for figure in found.figures]
    assert len({*names}) == len(names)
    for figure in found.figures:
        assert figure.caption
        files = outcome.result.figure_path(figure)
        assert files.with_name(files.name + ".svg").read_text(encoding="utf-8") == figure.svg
        assert files.with_name(files.name + ".png").read_bytes() == figure.png
    (again,) = (result for result in read_analyses(path.parents[1]) if result.analysis == name)
    assert again.findings.sentences == found.sentences
    assert again.findings.tables == found.tables
    assert again.findings.figures == found.figures
    assert again.findings.payload == json.loads(json.dumps(found.payload))
    assert dataclasses.replace(again, findings=found, settings=outcome.result.settings) == outcome.result
