"""Training set -> head: fitted, cross-validated over whole recordings, calibrated by what that found."""

import datetime
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coview.collection.heads.calibration import Calibration, best_thresholds, fit_calibration
from coview.collection.heads.head import Head, Validation
from coview.collection.heads.logistic import Linear, Numbers, fit_logistic
from coview.collection.heads.training_set import TrainingSet
from coview.errors import UserError

_FOLDS = 5


def fit_head(
    given: TrainingSet,
    *,
    views: Sequence[str],
    combine: str,
    multi_label: bool | None,
    run: Mapping[str, str],
    index: str = "",
    is_validated: bool = True,
) -> Head:
    """Fit a head.

    Args:
        given: the windows.
        views: of the features.
        combine: how they were joined.
        multi_label: classes may be seen at once; None: where labels say so.
        run: that made the vectors.
        index: the folder of the index.
        is_validated: also fit the heads of a cross-validation, without which there is no calibration.

    Raises:
        UserError: several classes of one window where `multi_label` is False.
    """
    is_exclusive = not (given.has_several if multi_label is None else multi_label)
    if is_exclusive and given.has_several:
        place = int((given.targets.sum(axis=1) > 1).argmax())
        names = [name for name, is_on in zip(given.classes, given.targets[place], strict=True) if is_on]
        raise UserError(
            f"{given.ids[place]} shows {' and '.join(names)} at once, but classes were to exclude each other; allow "
            "several at once (--multi-label), or change the labels"
        )
    targets = given.targets
    if is_exclusive and given.has_none:
        targets = np.concatenate([targets, ~targets.any(axis=1, keepdims=True)], axis=1)  # (n, C + 1)
    linear = fit_logistic(given.features, targets, is_exclusive=is_exclusive)
    calibration = Calibration.none(targets.shape[1], is_exclusive=is_exclusive)
    validation = None
    thresholds = np.full(len(given.classes), 0.5)
    folds = deal_groups(given.groups, targets) if is_validated else None
    if folds is not None:
        logits, is_tested = _cross_validated(given.features, targets, folds, is_exclusive=is_exclusive, near=linear)
        calibration = fit_calibration(logits[is_tested], targets[is_tested], is_exclusive=is_exclusive)
        chances = _cross_calibrated(logits, targets, folds, is_tested, is_exclusive=is_exclusive)
        own = chances[:, : len(given.classes)]
        thresholds = best_thresholds(own[is_tested], given.targets[is_tested])
        validation = Validation(
            own[is_tested].astype(np.float32),
            given.targets[is_tested],
            tuple(given.groups[is_tested].tolist()),
            tuple(name for name, is_in in zip(given.ids, is_tested, strict=True) if is_in),
            given.spans[is_tested],
            int(folds.max()) + 1,
        )
    return Head(
        classes=given.classes,
        views=tuple(views),
        combine=combine,
        weight=linear.weight.astype(np.float32),
        bias=linear.bias.astype(np.float32),
        calibration=calibration,
        thresholds=thresholds,
        run=dict(run),
        counts={
            "labels": given.num_labels,
            "videos": given.num_videos,
            "recordings": len(set(given.groups.tolist())),
            "windows": len(given.features),
        },
        validation=validation,
        index=index,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def deal_groups(groups: NDArray[np.str_], targets: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Deal recordings into at most 5 folds such that the classes are spread; None where there are fewer than two.

    The largest are dealt first, each to the fold that has least of its classes so far.

    Args:
        groups: (n,) recording of each window.
        targets: (n, K).

    Returns:
        (n,) fold of each window.
    """
    names, codes = np.unique(groups, return_inverse=True)
    count = min(_FOLDS, len(names))
    if count < 2:
        return None
    by_group = np.zeros((len(names), targets.shape[1]))
    np.add.at(by_group, codes, targets.astype(np.float64))
    share = by_group / np.maximum(by_group.sum(axis=0), 1)  # (G, K)
    held = np.zeros((count, targets.shape[1]))
    sizes = np.zeros(count)
    fold_of = np.zeros(len(names), dtype=np.int64)
    for place in np.argsort(-share.sum(axis=1), kind="stable"):
        fold = int(np.lexsort((sizes, held @ share[place]))[0])
        fold_of[place] = fold
        held[fold] += share[place]
        sizes[fold] += share[place].sum()
    return fold_of[codes]


def _cross_validated(
    features: NDArray[np.float32],
    targets: NDArray[np.bool_],
    folds: NDArray[np.int64],
    *,
    is_exclusive: bool,
    near: Linear,
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return logits (n, K) of heads that were fitted without the window's fold, and which windows have such (n,).

    Each begins near the fit to all rows, which saves steps: its loss has one optimum, wherever it begins. A fold whose
    rest lacks a class of exclusive ones is tested all the same: the class is missed there, as it would be.
    """
    logits = np.zeros(targets.shape)
    is_tested = np.zeros(len(targets), dtype=bool)
    for fold in range(int(folds.max()) + 1):
        rest = folds != fold
        if (targets[rest].any(axis=0)).sum() < min(2, targets.shape[1]):
            continue
        linear = fit_logistic(features[rest], targets[rest], is_exclusive=is_exclusive, near=near)
        logits[~rest] = linear.logits(features[~rest])
        is_tested |= ~rest
    return logits, is_tested


def _cross_calibrated(
    logits: Numbers,
    targets: NDArray[np.bool_],
    folds: NDArray[np.int64],
    is_tested: NDArray[np.bool_],
    *,
    is_exclusive: bool,
) -> Numbers:
    """Return probabilities (n, K) by calibrations that were fitted without the window's fold."""
    found = np.zeros(logits.shape)
    for fold in range(int(folds.max()) + 1):
        own, rest = folds == fold, (folds != fold) & is_tested
        fitted = fit_calibration(logits[rest], targets[rest], is_exclusive=is_exclusive)
        found[own] = fitted.probabilities(logits[own])
    return found
