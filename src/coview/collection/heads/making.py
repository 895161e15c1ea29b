"""Index -> head: its labels, the windows that they cover, the fit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from coview.collection.file_identity import shown_path
from coview.collection.heads.fitting import fit_head
from coview.collection.heads.head import Head, check_combine
from coview.collection.heads.training_set import gather_training_set
from coview.collection.labels.label import Label
from coview.collection.store import VideoVectors

if TYPE_CHECKING:
    from coview.collection.index import Index


def make_head(
    index: "Index",
    *,
    views: Sequence[str],
    combine: str = "concat",
    multi_label: bool | None = None,
    source_labels: bool = False,
    vectors_of: Mapping[int, VideoVectors] | None = None,
    is_validated: bool = True,
) -> Head:
    """Fit a head to the labels of an index; see `Index.head`.

    Args:
        index: with labels.
        views: whose vectors it takes.
        combine: how they are joined.
        multi_label: classes may be seen at once; None: where labels say so.
        source_labels: also learn from the classes that the sources gave.
        vectors_of: number of a video -> its vectors, where they are known already.
        is_validated: also cross-validate.

    Raises:
        UserError: see `Index.head`.
    """
    labels, classes = index.labels.rows(), list(index.labels.classes)
    if source_labels:
        given = _source_labels(index, labels)
        classes += sorted({name for label in given for name in label.classes} - set(classes))
        labels += given
    training = gather_training_set(
        labels,
        index.store,
        views=views,
        combine=check_combine(combine),
        classes=classes,
        vectors_of=vectors_of,
    )
    return fit_head(
        training,
        views=views,
        combine=combine,
        multi_label=multi_label,
        run=index.run_place,
        index=str(index.path.resolve()),
        is_validated=is_validated,
    )


def _source_labels(index: "Index", labels: Sequence[Label]) -> list[Label]:
    """Return what the sources say of whole videos that nobody has labelled."""
    labelled = {label.video for label in labels}
    return [
        Label(shown_path(row.facts.path, index.path), (row.facts.label,), id=row.facts.id, video=row.number)
        for row in index.store.rows(status="ready")
        if row.facts.label is not None and row.number not in labelled
    ]
