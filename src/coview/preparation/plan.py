"""What is done and what is left: outcomes, manifest and stored files -> the tasks of this run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from coview.datasets.prepared import VIEWS_FOLDER, has_stored_size, stored_path
from coview.datatypes import VideoEntry
from coview.files import stored_files
from coview.preparation.outcomes import VideoOutcome, read_outcomes, source_stamp
from coview.preparation.record import manifest_rows
from coview.preparation.settings import PrepareSettings, share_of
from coview.preparation.used_frames import UsedFrames
from coview.preparation.video import VideoTask
from coview.video.pictures import KEEP_ADVICE
from coview.views.base import View


def known_outcomes(out: Path, views: Mapping[str, View], *, finished_views: Sequence[str]) -> dict[str, VideoOutcome]:
    """Return what is known of each video; a view counts as stored only if its file is there in its full size.

    The outcome files come first; the manifest speaks for videos they do not name (in a data set that was copied
    without them). Temporary files that dead processes left are removed on the way.

    Args:
        out: the data set.
        views: the views it is to have.
        finished_views: those that its manifest speaks of.
    """
    known = {
        entry.id: _from_manifest(entry, finished_views)
        for entry in manifest_rows(out)
        if entry.status in ("ready", "failed")
    }
    known.update(read_outcomes(out))
    stored = {name: stored_files(out / VIEWS_FOLDER / name) for name in views}
    return {
        video: replace(
            outcome,
            views=tuple(
                name
                for name, view in views.items()
                if name in outcome.views
                and f"{video}{view.suffix}" in stored[name]
                and _is_whole(stored_path(out, name, video, view.suffix), outcome.checksums.get(name, ""))
            ),
        )
        for video, outcome in known.items()
    }


def _is_whole(path: Path, checksum: str) -> bool:
    return not checksum or has_stored_size(path.stat().st_size, checksum)


def _from_manifest(entry: VideoEntry, views: Sequence[str]) -> VideoOutcome:
    is_ready = entry.status == "ready"
    return VideoOutcome(
        id=entry.id,
        status="ready" if is_ready else "failed",
        views=tuple(views) if is_ready else (),
        reason=entry.reason,
        num_frames=entry.num_frames,
        fps=entry.fps,
        width=entry.width,
        height=entry.height,
        counts=entry.counts,
        checksums=entry.checksums,
        source_stamp=None,
        finished_at=0.0,
    )


def plan(
    entries: Sequence[VideoEntry],
    known: Mapping[str, VideoOutcome],
    *,
    views: Mapping[str, View],
    out: Path,
    settings: PrepareSettings,
    used: UsedFrames | None = None,
) -> list[VideoTask]:
    """Return the tasks of this run's share: listed videos that lack a view and have not failed for good."""
    share, shares = share_of(settings.shard)
    options = {name: view.options for name, view in views.items()}
    tasks = []
    for entry in entries[share - 1 :: shares]:
        before = known.get(entry.id)
        missing = tuple(name for name in views if before is None or name not in before.views)
        if entry.status == "listed" and missing and (before is None or _is_worth_trying(entry, before, settings)):
            stays = before if before is not None and before.views else None
            storage, timeout = settings.storage, settings.timeout_seconds
            tasks.append(VideoTask(entry, out, options, missing, stays, storage, timeout, used))
    return tasks


def _is_worth_trying(entry: VideoEntry, before: VideoOutcome, settings: PrepareSettings) -> bool:
    if before.status == "ready" or settings.retry_failed:
        return True
    if settings.storage.source.damaged == "keep" and KEEP_ADVICE in before.reason:
        return True
    if before.reason.startswith("too_slow"):  # that may have been the machine's fault
        return True
    return before.source_stamp is not None and before.source_stamp != source_stamp(entry.path)
