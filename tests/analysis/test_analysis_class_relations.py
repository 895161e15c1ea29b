"""Class relations against plain loops, chance against counting."""

import itertools

import numpy as np
import pytest

from coview.analysis.base import FeatureSet
from coview.analysis.class_relations import (
    ClassRelations,
    ClassRelationsSettings,
    chance_of_sharing,
    class_relations,
    class_similarities,
)
from coview.datatypes import VideoEntry
from coview.errors import UserError
from stand_in_context import stand_in


def unit_rows(generator, n, size):
    rows = generator.normal(size=(n, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain_similarity(features, labels, one, other):
    pairs = [
        float(features[i] @ features[j])
        for i, j in itertools.product(range(len(labels)), repeat=2)
        if labels[i] == one and labels[j] == other
    ]
    return sum(pairs) / len(pairs)


@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_loops(seed):
    """Classes of unequal size, one of a single video; two views."""
    generator = np.random.default_rng(seed)
    labels = [*(f"class{v}" for v in generator.integers(0, 6, 40)), "alone"]
    features = {"rgb": unit_rows(generator, 41, 4), "flow": unit_rows(generator, 41, 3)}
    found = class_relations(features, labels, neighbours=3)
    classes = sorted(set(labels))
    for one in classes:
        tops = []
        for view, rows in features.items():
            others = sorted(
                (other for other in classes if other != one),
                key=lambda other, rows=rows: -plain_similarity(rows, labels, one, other),
            )[:3]
            assert [name for name, _ in found.nearest[view][one]] == others
            for name, cosine in found.nearest[view][one]:
                assert cosine == pytest.approx(plain_similarity(rows, labels, one, name), abs=1e-6)
            tops.append(others)
        assert set(found.shared[one]) == set(tops[0]) & set(tops[1])
        means = [
            sum(plain_similarity(rows, labels, one, name) for rows in features.values()) for name in found.shared[one]
        ]
        assert means == sorted(means, reverse=True)
    for least in range(5):
        assert found.classes_that_share(least) == sum(len(found.shared[one]) >= least for one in classes)


def test_by_hand():
    """Four classes at 0, 10, 90 and 100 degrees; the second view holds the second and third the other way round."""

    def at(*degrees):
        return np.array([[np.cos(np.radians(d)), np.sin(np.radians(d))] for d in degrees], np.float32)

    labels = ["a", "b", "c", "d"]
    names, similarities = class_similarities(at(0, 10, 90, 100), labels)
    assert names == ("a", "b", "c", "d")
    assert similarities[0, 1] == pytest.approx(np.cos(np.radians(10)))
    assert np.isnan(similarities[2, 2])
    found = class_relations({"rgb": at(0, 10, 90, 100), "flow": at(0, 90, 10, 100)}, labels, neighbours=1)
    assert {name: others[0][0] for name, others in found.nearest["rgb"].items()} == {
        "a": "b",
        "b": "a",
        "c": "d",
        "d": "c",
    }
    assert {name: others[0][0] for name, others in found.nearest["flow"].items()} == {
        "a": "c",
        "b": "d",
        "c": "a",
        "d": "b",
    }
    assert [found.classes_that_share(m) for m in (0, 1)] == [4, 0]


def test_equal_cosines_are_ordered_by_name():
    rows = np.eye(4, dtype=np.float32)
    found = class_relations({"rgb": rows}, ["d", "c", "b", "a"], neighbours=2)
    assert [name for name, _ in found.nearest["rgb"]["b"]] == ["a", "c"]


@pytest.mark.parametrize("views", [1, 2, 3])
def test_chance_is_the_share_of_all_choices(views):
    """All ways in which each view may choose 2 of 4 other classes."""
    choices = list(itertools.combinations(range(4), 2))
    sizes = [len(set.intersection(*map(set, drawn))) for drawn in itertools.product(choices, repeat=views)]
    expected = [sum(size >= m for size in sizes) / len(sizes) for m in range(3)]
    assert chance_of_sharing(classes=5, neighbours=2, views=views) == pytest.approx(expected)


def context(*names):
    generator = np.random.default_rng(0)
    entries = tuple(VideoEntry(id=str(n), path=str(n), label=f"class{n % 6}") for n in range(24))
    sets = [FeatureSet(name, {view: unit_rows(generator, 24, 5) for view in ("rgb", "flow")}) for name in names]
    same = sets[0].features["rgb"]
    sets[0] = FeatureSet(names[0], {"rgb": same, "flow": same})
    return stand_in(entries, {given.name: given for given in sets})


def test_findings_stand_beside_each_other():
    found = ClassRelations(ClassRelationsSettings(neighbours=3)).analyse(context("this run", "random weights", "other"))
    counts, classes = found.tables
    assert counts.columns == ("features", "all of 3", "≥ 2 of 3", "≥ 1 of 3")
    assert counts.rows[0] == ("this run", "6", "6", "6")  # both its views are the same
    assert [row[0] for row in counts.rows] == ["this run", "random weights", "other", "chance"]
    assert found.sentences[0].startswith("6 of 6 classes have at least 2 of their 3 nearest classes in common")
    assert classes.columns == ("class", "this run", "random weights", "other")
    assert len(classes.rows) == 6
    assert len(found.records) == 3 * 2 * 6 * 3
    assert found.values["classes_that_share_at_least"]["this run"] == {"1": 6, "2": 6, "3": 6}


def test_too_few_classes_are_the_users_error():
    """With 5 of 5 other classes every view names the same."""
    with pytest.raises(UserError, match="give --class-relations.neighbours 4"):
        ClassRelations(ClassRelationsSettings(neighbours=5)).analyse(context("this run"))
