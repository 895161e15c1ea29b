"""A head finds what can be found, says rightly how sure it is, and survives its way to the disk and back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from coview.collection.catalogue import Catalogue
from coview.collection.heads import load_head
from coview.collection.heads.calibration import best_thresholds, fit_calibration
from coview.collection.heads.file import check_place
from coview.collection.heads.fitting import deal_groups, fit_head
from coview.collection.heads.logistic import balanced_weights, fit_logistic, sigmoid, softmax
from coview.collection.heads.timeline import TimelineSettings, find_segments, smooth, window_cells
from coview.collection.heads.training_set import TrainingSet, covered_windows, gather_training_set
from coview.collection.labels import Label, Labels
from coview.errors import UserError
from small_index import random_video

RUN = {"path": "/runs/mine", "checkpoint": "rgb-1", "identity": "abc"}


def training_set(*, noise=0.5, groups=8, each=12, classes=3, seed=0, several=False, with_none=False):
    """Windows around a centre of their class, and a shift of their recording."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((classes + 1, 24))
    shown = generator.integers(0, classes + with_none, groups * each)
    targets = np.eye(classes + 1, dtype=bool)[shown][:, :classes]
    if several:
        targets |= generator.random(targets.shape) < 0.3
    mixed = targets @ centres[:classes] if several else centres[shown]
    codes = np.repeat(np.arange(groups), each)
    rows = mixed + noise * generator.standard_normal(mixed.shape) + 0.3 * generator.standard_normal((groups, 24))[codes]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    names = np.array([f"group {code}" for code in codes])
    spans = np.stack([np.arange(len(rows)), np.arange(len(rows)) + 2.0], axis=1).astype(np.float64)
    return TrainingSet(rows, targets, names, tuple(names), spans, ("a", "b", "c", "d")[:classes], len(rows), groups)


def fit(given, **settings):
    return fit_head(given, views=("rgb",), combine="concat", run=RUN, **{"multi_label": None, **settings})


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_the_fit_is_where_the_slope_of_its_loss_is_zero(is_exclusive):
    """Checked against the loss as it is written down, by finite differences."""
    given = training_set(groups=3, each=9)
    linear = fit_logistic(given.features, given.targets, is_exclusive=is_exclusive)
    inputs = given.features.astype(np.float64)
    variance = (len(inputs) * inputs.var(axis=0) + 10 * inputs.var(axis=0).mean()) / (len(inputs) + 10)
    spread = np.sqrt(variance * inputs.shape[1])

    def loss(weight, bias):
        logits, total = inputs @ weight + bias, 0.0
        for row, wanted in zip(logits, given.targets, strict=True):
            for place in range(3):
                if is_exclusive and wanted[place]:
                    total -= np.log(softmax(row)[place]) * len(inputs) / (3 * given.targets[:, place].sum())
                if not is_exclusive:
                    chance, there = sigmoid(row)[place], given.targets[:, place]
                    share = there.sum() if wanted[place] else (~there).sum()
                    total -= np.log(chance if wanted[place] else 1 - chance) * len(inputs) / (2 * share)
        return total + ((weight * spread[:, None]) ** 2).sum() / 60

    best, generator = loss(linear.weight, linear.bias), np.random.default_rng(0)
    for _ in range(20):
        step, turn = 1e-2 * generator.standard_normal(linear.weight.shape), 1e-2 * generator.standard_normal(3)
        assert loss(linear.weight + step, linear.bias + turn) > best
        assert loss(linear.weight - step, linear.bias - turn) > best


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_where_a_fit_begins_is_no_matter(is_exclusive):
    given, others = training_set(groups=4), training_set(groups=5, seed=1)
    near = fit_logistic(others.features, others.targets, is_exclusive=is_exclusive)
    found = [fit_logistic(given.features, given.targets, is_exclusive=is_exclusive, near=one) for one in (None, near)]
    first, second = (one.logits(given.features) for one in found)
    np.testing.assert_allclose(second, first, atol=5e-3)


def test_rows_with_and_without_a_class_weigh_alike():
    targets = np.array([[1, 1], [0, 1], [0, 1], [0, 0]], dtype=bool)
    weights = balanced_weights(targets)
    np.testing.assert_allclose([weights[targets[:, 0], 0].sum(), weights[~targets[:, 0], 0].sum()], 2)
    np.testing.assert_allclose([weights[targets[:, 1], 1].sum(), weights[~targets[:, 1], 1].sum()], 2)


@pytest.mark.parametrize("kind", ["exclusive", "with none", "several"])
def test_a_head_finds_classes_in_recordings_it_has_not_seen(kind):
    options = {"with_none": kind == "with none", "several": kind == "several"}
    head = fit(training_set(**options))
    assert head.is_multi_label == (kind == "several")
    assert head.has_none == (kind == "with none")
    other = training_set(seed=0, **options)
    found = head.probabilities({"rgb": other.features})
    assert found.shape == (len(other.features), 3)
    decided = np.array([[name in names for name in head.classes] for names in head.decide(found)])
    assert (decided == other.targets).all(axis=1).mean() > 0.85
    checked = head.validation
    assert checked.folds == 5
    decided = np.array([[name in names for name in head.classes] for names in head.decide(checked.probabilities)])
    assert (decided == checked.targets).all(axis=1).mean() > 0.6
    assert len(checked.groups) == len(checked.targets) == len(checked.spans) == 96


def test_no_recording_is_divided_and_classes_are_spread():
    given = training_set(groups=11)
    folds = deal_groups(given.groups, given.targets)
    for name in set(given.groups):
        assert len(set(folds[given.groups == name])) == 1
    assert set(folds) == {0, 1, 2, 3, 4}
    for fold in range(5):
        assert given.targets[folds == fold].any(axis=0).all()
    assert deal_groups(np.array(["x", "x"]), given.targets[:2]) is None


def test_probabilities_come_true_after_calibration():
    generator = np.random.default_rng(0)
    logits = generator.standard_normal((4000, 3))
    wanted = np.array([generator.choice(3, p=row) for row in softmax(logits)])
    targets = np.eye(3, dtype=bool)[wanted]
    fitted = fit_calibration(5 * logits, targets, is_exclusive=True)
    assert fitted.scale == pytest.approx(0.2, rel=0.1)
    true = generator.random((4000, 3)) < sigmoid(logits - 1)
    fitted = fit_calibration(logits / 4, true, is_exclusive=False)
    assert fitted.scale == pytest.approx(4, rel=0.15)
    assert fitted.shift == pytest.approx(-1, abs=0.15)


def test_what_is_rare_elsewhere_is_no_less_likely_here():
    """Where recordings are few, a class is rarer in the others just because this one shows it."""
    logits = np.random.default_rng(0).standard_normal((60, 3))
    targets = np.eye(3, dtype=bool)[[0] * 50 + [1] * 10]
    fitted = fit_calibration(logits, targets, is_exclusive=True)
    np.testing.assert_array_equal(fitted.probabilities(logits).argmax(axis=1), logits.argmax(axis=1))


def test_a_handful_of_labels_promises_nothing():
    """Six rows told apart without an error: their probabilities may not become certain."""
    logits = np.array([[2.0, -2.0]] * 3 + [[-2.0, 2.0]] * 3)
    fitted = fit_calibration(logits, logits > 0, is_exclusive=True)
    assert fitted.probabilities(logits).max() < 0.999


def test_thresholds_are_where_f1_is_largest():
    chances = np.array([[0.9], [0.8], [0.4], [0.3], [0.1]])
    targets = np.array([[1], [0], [1], [0], [0]], dtype=bool)
    assert best_thresholds(chances, targets) == pytest.approx([0.35])
    assert best_thresholds(chances, np.zeros((5, 1), dtype=bool)) == pytest.approx([0.5])


def test_a_head_is_the_same_after_its_way_to_the_disk(tmp_path):
    given = training_set(with_none=True)
    head = fit(given, index=str(tmp_path / "idx"))
    assert head.save(tmp_path / "head") == tmp_path / "head"
    (tmp_path / "head").rename(tmp_path / "moved")
    again = load_head(tmp_path / "moved")
    np.testing.assert_array_equal(again.of_features(given.features), head.of_features(given.features))
    np.testing.assert_array_equal(again.validation.probabilities, head.validation.probabilities)
    for name in ("classes", "views", "combine", "counts", "created", "has_none", "is_multi_label", "run", "index"):
        assert getattr(again, name) == getattr(head, name), name
    with pytest.raises(UserError, match="holds a head already"):
        head.save(tmp_path / "moved")
    fit(training_set(seed=3)).save(tmp_path / "moved", overwrite=True)
    assert len(list((tmp_path / "moved").glob("*.safetensors"))) == 1
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no head"):
        head.save(tmp_path / "full", overwrite=True)
    with pytest.raises(UserError, match="is no head: it has no head.json"):
        load_head(tmp_path / "full")


def test_what_a_process_left_that_was_cut_off_is_no_refusal(tmp_path):
    (tmp_path / "head-0123.safetensors").write_bytes(b"")
    (tmp_path / "report.html").write_text("")
    check_place(tmp_path, overwrite=False)
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(UserError, match="is there already and is no head"):
        check_place(tmp_path, overwrite=False)


@pytest.mark.parametrize(("smooth", "least"), [(float("nan"), 0.5), (float("inf"), 0.5), (1.0, -1.0)])
def test_stretches_of_time_are_seconds(smooth, least):
    with pytest.raises(UserError, match="expected seconds from 0 on"):
        TimelineSettings(smooth, least)


@pytest.mark.parametrize("harm", ["cut numbers", "changed numbers", "changed text", "elsewhere", "other shape"])
def test_a_damaged_head_is_named(tmp_path, harm):
    fit(training_set()).save(tmp_path / "head")
    about = tmp_path / "head" / "head.json"
    numbers = next((tmp_path / "head").glob("*.safetensors"))
    if harm == "cut numbers":
        numbers.write_bytes(numbers.read_bytes()[:-4])
    elif harm == "changed numbers":
        data = numbers.read_bytes()
        numbers.write_bytes(data[:-4] + b"\x00\x01\x02\x03")
    elif harm == "changed text":
        about.write_text(about.read_text().replace('"concat"', '"mean"'))
    else:
        from coview.files import seal_line

        values = json.loads(about.read_text())
        values.pop("crc32")
        values |= {"file": "../head.json"} if harm == "elsewhere" else {"classes": ["a"]}
        about.write_text(seal_line(values))
    with pytest.raises(UserError, match=r"the head .* is damaged"):
        load_head(tmp_path / "head")


def test_several_classes_at_once_need_to_be_allowed():
    given = training_set(several=True)
    assert fit(given).is_multi_label
    with pytest.raises(UserError, match="at once, but classes were to exclude each other"):
        fit(given, multi_label=False)


def test_what_is_covered_by_a_label():
    starts = np.arange(5.0)
    label = Label("v", ("a",), 1.2, 3.1)
    assert covered_windows(label, starts, starts + 2).tolist() == [1, 2]
    assert covered_windows(replace(label, start_seconds=2.1, end_seconds=2.3), starts, starts + 2).tolist() == [1]
    whole = replace(label, start_seconds=None, end_seconds=None)
    assert covered_windows(whole, starts, starts + 2).tolist() == [0, 1, 2, 3, 4]


def test_labels_become_a_training_set(store):
    generator = np.random.default_rng(0)
    with store.writing():
        store.add([random_video(generator, name, windows=8, group=name[0]) for name in ("x1", "x2", "y1")])
    labels = Labels(Catalogue(store.folder / "index.sqlite", identity={"index": "x"}), store, store.folder)

    def gather():
        return gather_training_set(labels.rows(), store, views=["rgb"], combine="concat", classes=labels.classes)

    with pytest.raises(UserError, match="no labels to learn from"):
        gather()
    labels.add("x1", "run", start=0, end=3)
    with pytest.raises(UserError, match="all labels are of one class, 'run'"):
        gather()
    labels.add("x1", "jump", start=2, end=5)
    labels.add("y1", ())
    found = gather()
    assert found.classes == ("run", "jump")
    assert found.has_several
    assert found.has_none
    assert found.targets[:6].tolist() == [[1, 0], [1, 1], [1, 1], [0, 1], [0, 1], [0, 0]]
    assert found.groups.tolist() == ["group x"] * 5 + ["group y"] * 8
    np.testing.assert_array_equal(found.features[5:], store.get(store.rows(id="y1")[0].number).windows["rgb"])
    with store.writing():
        store.remove([store.rows(id="y1")[0].number])
    assert gather().left_out == (f"{labels.rows()[2].path} is not in the index",)


def test_cells_divide_the_time():
    starts = np.array([0.0, 1, 2, 10])
    assert window_cells(starts, starts + 2).tolist() == [[0, 1.5], [1.5, 2.5], [2.5, 4], [10, 12]]


def test_smoothing_is_a_mean_over_time():
    generator = np.random.default_rng(0)
    starts = np.arange(20) * 0.5
    cells = window_cells(starts, starts + 1)
    values = generator.random((20, 2)).astype(np.float32)
    found = smooth(values, cells, seconds=2.0)
    fine = np.arange(0, 10.5, 1e-3) + 5e-4  # by hand: the curve in steps of a millisecond
    of_cell = np.searchsorted(cells[:, 1], fine)
    for place in (0, 7, 19):
        middle = cells[place].mean()
        inside = (fine >= middle - 1) & (fine <= middle + 1)
        np.testing.assert_allclose(found[place], values[of_cell[inside]].mean(axis=0), atol=2e-3)
    np.testing.assert_array_equal(smooth(values, cells, seconds=0), values)


def test_segments():
    starts = np.arange(10.0)
    chances = np.zeros((10, 2), np.float32)
    chances[2:5, 0], chances[5, 0], chances[4:8, 1], chances[9, 1] = 0.9, 0.2, 0.8, 0.9

    def find(*, is_exclusive, **settings):
        chosen = TimelineSettings(**{"smooth_seconds": 0.0, "min_seconds": 0.0, **settings})
        found = find_segments(
            chances,
            starts,
            starts + 1,
            classes=("a", "b"),
            thresholds=np.array([0.5, 0.5]),
            is_exclusive=is_exclusive,
            settings=chosen,
        )
        return [(one.label, one.start_seconds, one.end_seconds) for one in found]

    assert find(is_exclusive=False) == [("a", 2, 5), ("b", 4, 8), ("b", 9, 10)]
    assert find(is_exclusive=True) == [("a", 2, 5), ("b", 5, 8), ("b", 9, 10)]
    assert find(is_exclusive=True, min_seconds=2.0) == [("a", 2, 5), ("b", 5, 8)]
    assert find(is_exclusive=False, smooth_seconds=3.0) == [("a", 2, 5), ("b", 4, 9)]
