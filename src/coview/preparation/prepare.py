"""The engine of `coview prepare`: a folder of videos in, a prepared data set out.

Work is per video and atomic; each outcome is appended to a file as it comes. Killed at any moment, the same command
goes on with the videos that are left; when none is left, a second run changes nothing.
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from coview.datasets import LAYOUTS
from coview.datasets.folder_labels import LabelRule, decide_labels
from coview.datasets.listing import Listing
from coview.datasets.prepared import PreparedDataset
from coview.datasets.shards import INDEX_NAME
from coview.datasets.splits import add_folds
from coview.datasets.synthetic import SyntheticSettings
from coview.datasets.synthetic.reading import LABELS_FILE
from coview.datatypes import ProgressSink, VideoEntry
from coview.errors import UserError
from coview.files import as_path, disk_errors
from coview.preparation.outcomes import OutcomeLog, VideoOutcome
from coview.preparation.plan import known_outcomes, plan
from coview.preparation.pool import run_pool
from coview.preparation.record import (
    check_record,
    describe,
    fold_outcome,
    hold_folder,
    make_record,
    manifest_rows,
    rate_remarks,
    read_about,
    read_record,
    remember_settings,
    write_data_set,
)
from coview.preparation.settings import PrepareSettings, build_views, resolve_settings
from coview.preparation.used_frames import UsedFrames
from coview.preparation.video import VideoTask, prepare_video
from coview.stopping import Interrupted
from coview.video.synthetic_files import write_synthetic
from coview.views.base import StorageSettings, View, with_preset
from coview.wording import counted

__all__ = ["PrepareSettings", "prepare"]

log = logging.getLogger(__name__)


def prepare(
    source: Path | str,
    out: Path | str,
    settings: PrepareSettings | Mapping[str, Any] | None = None,
    *,
    views: Sequence[str] | str | None = None,
    layout: str | None = None,
    lists: Path | str | None = None,
    progress: ProgressSink | None = None,
    used: UsedFrames | None = None,
) -> PreparedDataset:
    """Prepare a data set, continue one, or add views to one.

    Example:
        prepare("my_videos/", "data/mine", views=["rgb", "flow"], settings={"flow.algorithm": "dis", "workers": 2})

    Args:
        source: folder, or table of the layout "csv". For "synthetic": where the clips are, or are to be rendered.
        out: the prepared data set; made if it does not exist.
        settings: what else to make, and where the work runs: a `PrepareSettings`, or its fields and the options of
            views by name.
        views: views to store, names or one name; not given: rgb and flow.
        layout: how the source is laid out; not given: "folder".
        lists: folder or file of the data set's official lists.
        progress: told (videos finished, videos in all, {"frames": made so far, "failed": videos}).
        used: for a data set of the moment, number of frames of a video -> those that will be read; others are not made.

    Returns:
        The data set. While other shares of a job array are unfinished, their videos are still "listed" in it and no
        manifest is written.

    Raises:
        TypeError: an argument is of the wrong kind; says what was expected.
        UserError: unusable settings; other settings than `out` was made with; a full disk; not one video is ready.
        KeyboardInterrupt: with a message that says how to continue; finished videos are kept.
    """
    source = as_path(source, name="source", what="a folder of videos or a table").resolve()
    out = as_path(out, name="out", what="the folder to make").resolve()
    settings = resolve_settings(settings, views=views, layout=layout, lists=lists)
    _check_places(source, out)
    if (out / INDEX_NAME).is_file():
        raise UserError(
            f"{out} holds shards (coview shards); prepare the data set that they were made of, or a new one"
        )
    with disk_errors(out):
        finished_views = read_about(out).get("views", {})
        made = build_views(settings, stored=finished_views)
        earlier = read_record(out) or {}
        labels_before = earlier.get("labels_from") if settings.labels is None else None
        rule: LabelRule = settings.labels or earlier.get("label_rule") or "auto"
        if earlier:
            settings = replace(settings, storage=_go_on_with_preset(settings.storage, earlier["storage"]))
        settings = replace(settings, folds=settings.folds or earlier.get("folds"), labels=rule)
        record = make_record(source, settings, made)
        check_record(out, record)
        for name in settings.views:  # one that cannot be made must not be remembered as a view of this data set
            if name not in finished_views:
                made[name].check()
        share = f"-{settings.shard.replace('/', 'of')}" if settings.shard else ""
        with hold_folder(out, share):
            listing = _list(source, settings, progress)
            listing = decide_labels(listing, rule, layout=settings.layout, before=labels_before)
            for remark in listing.remarks:
                log.warning("%s", remark)
            if settings.folds is not None:
                dealt = add_folds(listing.entries, settings.folds, before=manifest_rows(out))
                listing = replace(listing, entries=dealt)
            record["labels_from"] = listing.labels_from
            remember_settings(out, record, share)
            known = known_outcomes(out, made, finished_views=tuple(finished_views))
            tasks = plan(listing.entries, known, views=made, out=out, settings=settings, used=used)
            for name in {name for task in tasks for name in task.missing if name in finished_views}:
                made[name].check()
            if tasks and not finished_views:
                _tell_choices(settings)
            done = _work(tasks, settings, OutcomeLog(out, share), _Report(listing, tasks, progress))
            if share and done:
                known = known_outcomes(out, made, finished_views=tuple(finished_views))
            return _finish(out, listing, {**known, **done}, views=made, record=record)


def _go_on_with_preset(storage: StorageSettings, recorded: Mapping[str, Any]) -> StorageSettings:
    """Return the settings with the preset of a data set that was begun before there was a choice."""
    return storage if "preset" in recorded else replace(storage, preset=with_preset(recorded)["preset"])


def _tell_choices(settings: PrepareSettings) -> None:
    """Say which views a new data set gets, and which flow where nobody chose one."""
    log.info("views: %s, at a short side of %d px", " ".join(settings.views), settings.storage.short_side)
    if "flow" in settings.views and "algorithm" not in settings.options.get("flow", {}):
        log.info("flow: tvl1, the papers'; --flow.algorithm dis is about ten times as fast, and `coview init` chooses")


def _check_places(source: Path, out: Path) -> None:
    if source.is_dir() and (out == source or source in out.parents):
        raise UserError(f"{out} lies inside {source}, where its files would be taken for videos; choose another folder")


def _list(source: Path, settings: PrepareSettings, progress: ProgressSink | None) -> Listing:
    read = LAYOUTS.load(settings.layout)
    if settings.layout == "synthetic":
        _render(source, settings, progress)
    listing = read(source, lists=settings.lists)
    if not listing.entries:
        raise UserError(f"no videos in {source} (layout {settings.layout})")
    return listing


def _render(source: Path, settings: PrepareSettings, progress: ProgressSink | None) -> None:
    """Render synthetic clips where they are not there or not all there; check that they are those asked for."""
    wanted = settings.synthetic or SyntheticSettings()
    if (source / LABELS_FILE).is_file() and wanted == SyntheticSettings():
        return  # whatever they are: nothing particular was asked for

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, {"rendered": done})

    write_synthetic(source, wanted, workers=max(1, settings.num_workers), progress=tell)


class _Report:
    """Counts for the progress bar."""

    def __init__(self, listing: Listing, tasks: Sequence[VideoTask], sink: ProgressSink | None) -> None:
        self._total = sum(entry.status == "listed" for entry in listing.entries)
        self._done = self._total - len(tasks)
        self._frames = 0
        self._failed = 0
        self._sink = sink
        self._tell()

    def add_frames(self, count: int) -> None:
        self._frames += count
        self._tell()

    def add_video(self, outcome: VideoOutcome) -> None:
        self._done += 1
        self._failed += outcome.status == "failed"
        self._tell()

    def _tell(self) -> None:
        if self._sink is not None:
            self._sink(self._done, self._total, {"frames": self._frames, "failed": self._failed})


def _work(
    tasks: Sequence[VideoTask], settings: PrepareSettings, outcomes: OutcomeLog, report: _Report
) -> dict[str, VideoOutcome]:
    """Do the tasks, writing down each outcome as it comes; return them."""
    done: dict[str, VideoOutcome] = {}
    with contextlib.closing(outcomes), contextlib.closing(_run(tasks, settings, report.add_frames)) as results:
        try:
            for outcome in results:
                outcomes.append(outcome)
                done[outcome.id] = outcome
                if outcome.status == "failed":
                    log.warning("%s: %s", outcome.id, outcome.reason)
                report.add_video(outcome)
        except KeyboardInterrupt as stop:
            raise Interrupted(
                f"interrupted with {counted(len(tasks) - len(done), 'video')} left; finished ones are kept. "
                "The same command goes on from here",
                by=stop,
            ) from None
    return done


def _run(
    tasks: Sequence[VideoTask], settings: PrepareSettings, on_frames: Callable[[int], None]
) -> Generator[VideoOutcome, None, None]:
    """Yield an outcome for each task; closing this ends what still works on them."""
    if settings.cluster is not None and tasks:
        from coview.preparation.cluster import run_cluster

        yield from run_cluster(tasks, address=settings.cluster, on_frames=on_frames)
    elif settings.num_workers == 0:
        for task in tasks:
            yield prepare_video(task, on_frame=lambda: on_frames(1))
    else:
        yield from run_pool(tasks, workers=settings.num_workers, on_frames=on_frames)


def _finish(
    out: Path,
    listing: Listing,
    known: Mapping[str, VideoOutcome],
    *,
    views: Mapping[str, View],
    record: Mapping[str, Any],
) -> PreparedDataset:
    entries = tuple(fold_outcome(entry, known.get(entry.id), views=tuple(views)) for entry in listing.entries)
    uneven = rate_remarks(entries)
    for remark in uneven:
        log.warning("%s", remark)
    description = describe(entries, record=record, remarks=(*listing.remarks, *uneven))
    if any(entry.status == "listed" for entry in entries):
        return PreparedDataset(root=out, entries=entries, view_options=record["views"], info=description)
    if not any(entry.status == "ready" for entry in entries):
        if read_about(out).get("counts", {}).get("ready", 0) == 0:
            write_data_set(out, entries, description)
        raise UserError(_nothing_ready(entries, out))
    write_data_set(out, entries, description)
    return PreparedDataset.open(out)


def _nothing_ready(entries: Sequence[VideoEntry], out: Path) -> str:
    reasons = Counter(entry.reason.partition(":")[0] or entry.status for entry in entries)
    counts = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in reasons.most_common())
    example = next((f"; for example {entry.path}: {entry.reason}" for entry in entries if entry.reason), "")
    return f"not one of {counted(len(entries), 'video')} could be prepared in {out}: {counts}{example}"
