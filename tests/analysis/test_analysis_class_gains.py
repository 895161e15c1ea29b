"""Gains by class against plain loops."""

import numpy as np
import pytest

from coview.analysis.class_gains import ClassGain, ClassGains, ClassGainsSettings, class_gains, hits, mean_gain
from coview.datatypes import VideoEntry
from coview.errors import UserError
from stand_in_context import stand_in


def unit_rows(generator, n, size):
    rows = generator.normal(size=(n, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def entries_and_features(n=24):
    generator = np.random.default_rng(0)
    entries = [VideoEntry(id=f"v{i}", path="p", label="abc"[i % 3], group=f"g{i // 2}") for i in range(n)]
    return entries, {name: {"rgb": unit_rows(generator, n, 4)} for name in ("this run", "random weights", "other")}


def test_equals_plain_loops():
    entries, features = entries_and_features()
    labels, groups = [e.label for e in entries], [e.group for e in entries]
    own, other = (hits(features[name]["rgb"], labels, groups) for name in ("this run", "other"))
    found = {gain.name: gain for gain in class_gains(own, other, labels)}
    for label in "abc":
        shares = []
        for name in ("this run", "other"):
            rows, right, asked = features[name]["rgb"], 0, 0
            for i in range(len(entries)):
                if labels[i] == label:
                    others = [j for j in range(len(entries)) if groups[j] != groups[i]]
                    best = max(others, key=lambda j, i=i, rows=rows: float(rows[i] @ rows[j]))
                    right, asked = right + (labels[best] == label), asked + 1
            shares.append(right / asked)
        assert (found[label].own, found[label].other, found[label].videos) == (*map(pytest.approx, shares), 8)


def test_the_order_and_who_cannot_be_asked():
    labels = ["a", "a", "b", "c", "c"]
    gains = class_gains([True, True, None, True, False], [False, True, None, True, True], labels)
    assert gains == [ClassGain("a", 2, 1.0, 0.5), ClassGain("c", 2, 0.5, 1.0)]
    assert mean_gain(gains) == 0.0
    assert hits(np.eye(2, dtype=np.float32), ["a", "a"], ["g", "g"]) == [None, None]


def test_findings_of_two_runs():
    entries, features = entries_and_features()
    features["other"]["flow"] = features["other"]["rgb"]  # a view that this run lacks
    found = ClassGains(ClassGainsSettings(most=2)).analyse(stand_in(entries, features))
    (figure,) = found.figures
    assert figure.name == "rgb-other"
    assert "1 class of smaller differences left out" in figure.caption
    assert found.tables[0].columns == ("class", "videos", "this run", "other", "gain")
    (values,) = found.values.values()
    total = sum(v["videos"] * (v["own"] - v["other"]) for v in values.values()) / 24
    assert f"{100 * total:+.1f} points over all videos" in found.sentences[0]
    assert found.sentences[-1].startswith("In the smallest class one video is 12 points")
    assert len(found.records) == 3


def test_alone_it_says_what_it_needs():
    entries, features = entries_and_features()
    del features["other"]
    with pytest.raises(UserError, match="name another with --beside RUN"):
        ClassGains(ClassGainsSettings()).analyse(stand_in(entries, features))
