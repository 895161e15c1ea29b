"""Two runs beside one another: whose results, which rows, what is said, and what is refused."""

import csv
import dataclasses
import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from coview.cli import run_arguments
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.comparison.compare import compare
from coview.evaluation.comparison.gains import compare_rows
from coview.evaluation.comparison.output import _choose_extremes, _draw_gains
from coview.evaluation.results.predictions import Predictions
from coview.evaluation.results.result import read_result, write_result
from small_run import make_run, small_config

PLAIN = {"baselines": False, "stages": False}


@pytest.fixture(scope="module")
def runs(small_run, tmp_path_factory):
    """Two runs of other seeds, evaluated alike."""
    folder = tmp_path_factory.mktemp("runs")
    paths = [folder / "one", folder / "two"]
    for seed, path in enumerate(paths, start=5):
        make_run(path, small_run.data, dataclasses.replace(small_config(), seed=seed))
        evaluate(path, small_run.data, settings=PLAIN)
        evaluate(path, small_run.data, protocol="knn", settings={"baselines": False})
    return paths


def change(path, **changes):
    """Write a result anew with other contents."""
    write_result(dataclasses.replace(read_result(path), **changes))


def by_hand(rights, **columns):
    """Predictions in which "rgb" is right where a letter is upper case."""
    labels = tuple(letter.lower() for letter in rights)
    given = tuple(letter.lower() if letter.isupper() else "" for letter in rights)
    videos = tuple(f"v{place}" for place in range(len(rights)))
    return Predictions(videos, labels, columns.get("groups", videos), {"rgb": given})


def test_gains_by_hand():
    kept = by_hand("aaaabbbb")
    a = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    b = np.array([1, 0, 0, 0, 1, 1, 0, 0], dtype=bool)
    found = compare_rows(kept, a, b, features_a="rgb", features_b="rgb")
    overall = found.overall
    assert (overall.share_a, overall.share_b, overall.only_a, overall.only_b) == (0.5, 0.375, 2, 1)
    assert overall.gain == pytest.approx(0.125)
    assert overall.p_value == pytest.approx(1.0)
    first, last = found.classes
    assert (first.name, first.videos, first.share_a, first.share_b) == ("a", 4, 0.75, 0.25)
    assert (first.only_a, first.only_b, first.p_value, first.p_adjusted) == (2, 0, 0.5, 1.0)
    assert (last.name, last.gain) == ("b", pytest.approx(-0.25))


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("A" * 40, "A" * 20 + "a" * 20, "one is right about 50.0 points more of the 40 videos than two"),
        ("A" * 20 + "a" * 20, "A" * 40, "two is right about 50.0 points more of the 40 videos than one"),
        ("A" * 40, "A" * 20 + "a" * 20, "the difference between these two is real"),
        ("AaAaAaAA", "aAaAaAAA", "that may be chance"),
        ("AAAA" * 10 + "aaaa", "Aaaa" * 10 + "aaaa", "is real"),
        ("AAaa", "AAaa", "are right about the same videos: no difference"),
    ],
)
def test_what_is_said(a, b, said):
    kept, other = by_hand(a), by_hand(b)
    row = compare_rows(kept, kept.hits("rgb"), other.hits("rgb"), features_a="rgb", features_b="rgb")
    assert said in row.describe("one", "two")


def test_interval_and_test_may_disagree():
    """Four groups that each gain: the bootstrap sees no doubt, four videos are too few for McNemar's test."""
    kept, other = by_hand("AAAA"), by_hand("aaaa")
    row = compare_rows(kept, kept.hits("rgb"), other.hits("rgb"), features_a="rgb", features_b="rgb")
    assert row.overall.is_real is None
    assert "not settled" in row.describe("one", "two")


def test_shares_are_those_of_the_results(runs):
    found = compare(str(runs[0]), str(runs[1]))
    assert (found.a, found.b, found.result_a.protocol) == ("one", "two", "retrieval")
    assert [row.name for row in found.rows] == ["rgb", "flow", "mean of views"]
    assert [row.name for row in found.closer] == ["mean of views"]
    for row in found.rows:
        for result, share in ((found.result_a, row.overall.share_a), (found.result_b, row.overall.share_b)):
            assert result.row("trained", row.features_a).metrics["R@1"] == pytest.approx(share)
        assert {gain.name for gain in row.classes} == {"fast", "slow"}
    back = compare(str(runs[1]), str(runs[0]))
    for row, other in zip(found.rows, back.rows, strict=True):
        assert row.overall.gain == pytest.approx(-other.overall.gain)
        assert row.overall.p_value == other.overall.p_value


def test_videos_are_matched_by_name_not_by_place(runs, tmp_path):
    path = runs[1] / "evaluation" / "knn-split1.json"
    before = read_result(path)
    kept = Predictions.unpacked(before.predictions)
    backwards = Predictions(
        kept.videos[::-1],
        kept.labels[::-1],
        kept.groups[::-1],
        {name: row[::-1] for name, row in kept.given.items()},
    )
    expected = compare(str(runs[0]), str(runs[1]), protocol="knn").rows
    try:
        change(path, predictions=backwards.packed())
        assert compare(str(runs[0]), str(runs[1]), protocol="knn").rows == expected
    finally:
        change(path, predictions=before.predictions)


def test_features_are_chosen(runs):
    words = str(runs[0]), str(runs[1])
    assert [row.name for row in compare(*words, features=["flow"]).closer] == ["flow"]
    found = compare(*words, protocol="knn", features=["flow", "rgb"])
    assert [row.name for row in found.closer] == ["flow against rgb"]
    assert found.result_a.row("trained", "flow").metrics["top-1"] == pytest.approx(found.rows[0].overall.share_a)
    assert found.result_b.row("trained", "rgb").metrics["top-1"] == pytest.approx(found.rows[0].overall.share_b)
    with pytest.raises(UserError, match="one has no features 'flw'; did you mean 'flow'"):
        compare(*words, features=["flw"])
    with pytest.raises(UserError, match="one name or two"):
        compare(*words, features=["rgb", "flow", "rgb"])


def test_a_checkpoint_and_an_ensemble_are_sides_too(runs, small_run):
    evaluate(runs[0], small_run.data, checkpoint="rgb-00000010", settings=PLAIN)
    early = compare(str(runs[0]), f"{runs[0]}@rgb-00000010")
    assert (early.b, early.result_b.checkpoint["checkpoint"]) == ("one@rgb-00000010", "rgb-00000010")
    assert early.rows[0].overall.gain == 0  # rgb was trained by then
    both = evaluate([f"{runs[0]}:flow", f"{runs[1]}:flow"], small_run.data, settings=PLAIN)
    found = compare(both.path, str(runs[0]), features=["ensemble", "flow"])
    assert found.result_a.row("trained", "ensemble").metrics["R@1"] == pytest.approx(found.rows[0].overall.share_a)
    assert compare(*map(str, runs)).result_a.settings.get("members") is None


def test_what_was_not_made_alike_is_refused(runs, small_run, tmp_path):
    one, two = map(str, runs)
    with pytest.raises(UserError, match="are the same; give two runs"):
        compare(one, one)
    with pytest.raises(UserError, match="has no result with protocol linear"):
        compare(one, two, protocol="linear")
    with pytest.raises(UserError, match="has no result with split split2"):
        compare(one, two, split="split2")
    with pytest.raises(UserError, match="neither a run"):
        compare(one, str(tmp_path))
    third = tmp_path / "third"
    make_run(third, small_run.data)
    evaluate(third, small_run.data, settings={**PLAIN, "variant": "leave-group-out"})
    with pytest.raises(UserError, match="newest differ in: split split1 and none; counts of queries 5 and 10"):
        compare(one, str(third))
    evaluate(third, small_run.data, protocol="clusters", settings={"baselines": False, "restarts": 1})
    with pytest.raises(UserError, match="not evaluated under the same protocol, but under knn.* and clusters"):
        compare(str(runs[1] / "evaluation" / "knn-split1.json"), str(third / "evaluation" / "clusters-split1.json"))


def test_results_without_outcomes_or_of_other_videos_are_refused(runs, small_run, tmp_path):
    folder = tmp_path / "third"
    make_run(folder, small_run.data)
    path = Path(evaluate(folder, small_run.data, settings=PLAIN).path)
    kept = read_result(path).predictions
    change(path, predictions={})
    with pytest.raises(UserError, match="evaluate third again with: coview evaluate .* --protocol retrieval"):
        compare(str(runs[0]), str(folder))
    change(path, predictions={**kept, "videos": ["v4", "v5", "v6", "other"]})
    with pytest.raises(UserError, match="not scored on the same videos: 4 and 4, 3 of them shared"):
        compare(str(runs[0]), str(folder))
    change(path, predictions={**kept, "label": kept["label"][::-1]})
    with pytest.raises(UserError, match="different labels of the same videos"):
        compare(str(runs[0]), str(folder))


def test_the_command_prints_and_writes(runs, tmp_path, capsys):
    out = tmp_path / "figures" / "gains.svg"
    assert run_arguments(["compare", str(runs[0]), str(runs[1]), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "one (A) against two (B)" in " ".join(text.split())
    assert "mean of views: " in text
    values = json.loads(out.with_suffix(".json").read_text())
    records = list(csv.DictReader(out.with_suffix(".csv").open()))
    assert [row["features_a"] for row in values["rows"]] == ["rgb", "flow", "mean of views"]
    assert len(records) == 3 * 3
    assert float(records[0]["gain"]) == pytest.approx(values["rows"][0]["overall"]["gain"])
    drawing = ET.parse(out).getroot()
    texts = {text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert {"fast", "slow"} <= texts


def test_the_ensemble_command_prints_its_members(runs, small_run, capsys):
    words = ["ensemble", f"{runs[0]}:flow=2", str(runs[1]), "--data", str(small_run.data), "--protocol", "knn"]
    assert run_arguments([*words, "--knn.baselines", "false", "--knn.neighbours", "3"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("one:flow", "two:rgb", "two:flow", "ensemble"))
    assert "knn-split1-ensemble-" in text.replace("\n", "")


def test_of_many_classes_the_figure_shows_both_ends():
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    names = [first + second for first in letters[:10] for second in letters[:5]]
    kept = Predictions(tuple(names), tuple(names), tuple(names), {"rgb": tuple(names)})
    hits = np.arange(len(names)) % 2 == 0
    row = compare_rows(kept, hits, ~hits, features_a="rgb", features_b="rgb")
    shown = _choose_extremes(row.classes, 40)
    assert len(shown) == 40 < len(row.classes)
    assert (shown[0].gain, shown[-1].gain) == (1.0, -1.0)
    assert math.isnan(shown[0].low)
    figure = _draw_gains([row], a="A & co", b="<B>")
    assert "40 extreme classes of 50" in figure
    assert "&lt;B&gt; is better  |  A &amp; co is better" in figure
    ET.fromstring(figure)
