"""The work of `Index.add`: what a source holds is compared with what the index knows; only the difference is done."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coview.collection.added import Added
from coview.collection.embedding_videos import Embedded, embed_files, embed_prepared
from coview.collection.file_identity import shown_path, stored_path
from coview.collection.filters import NAMES as FILTERS
from coview.collection.merging import is_in_share
from coview.collection.sources import Source, SourceVideos, file_facts, list_videos, prepared_facts
from coview.collection.store import NewVideo, Store, VideoFacts, VideoRow
from coview.datasets.table import read_table
from coview.datatypes import ProgressSink, VideoEntry
from coview.embedding.run import Run
from coview.errors import UserError
from coview.preparation.settings import share_of
from coview.stopping import Interrupted
from coview.wording import counted

log = logging.getLogger(__name__)

_PREPARED_AT_ONCE = 16


@dataclass(frozen=True)
class _Task:
    entry: VideoEntry
    facts: VideoFacts
    before: VideoRow | None


def add_source(
    store: Store,
    run: Run,
    source: Source,
    *,
    folder: Path,
    device: str,
    workers: int | None,
    retry_failed: bool,
    progress: ProgressSink | None,
    shard: str | None = None,
    beside: tuple[Store, Path] | None = None,
) -> Added:
    """Bring one source into a store that is held for writing.

    Args:
        store: where to.
        run: what embeds.
        source: the videos.
        folder: of the index, from which stored paths start.
        device: where to compute.
        workers: processes that make views; None: one a core.
        retry_failed: try videos again that failed before; those whose file has changed are tried in any case.
        progress: told (videos done, videos to do, {"frames": made, "failed": videos}).
        shard: "i/n": take the i-th of n shares of the videos alone.
        beside: another store and the folder of its index: videos that are ready there are left out.

    Raises:
        TypeError: `source` is nothing of what is expected.
        UserError: no video there, or the disk refuses.
    """
    listed = list_videos(source)
    for remark in listed.remarks:
        log.warning("%s", remark)
    if listed.data is not None:
        listed.data.require_files(run.views)
        for remark in run.differences(listed.data):
            log.warning("%s", remark)
    share, shares = share_of(shard)
    listed = replace(listed, entries=tuple(one for one in listed.entries if is_in_share(one.id, share, shares)))
    done, tasks = _compare(store, run, listed, folder=folder, retry_failed=retry_failed)
    if beside is not None:
        tasks = _without_known(tasks, *beside, folder=folder)
    try:
        for video in _work(run, listed, tasks, device=device, workers=workers, progress=progress, store=store):
            if video.vectors is None:
                done += Added(failed=((shown_path(video.facts.path, folder), video.facts.reason),))
            else:
                done += Added(changed=1) if video.replaces is not None else Added(added=1)
    except KeyboardInterrupt as stop:
        raise Interrupted(
            f"interrupted; {done} so far, which is kept. The same command goes on from here", by=stop
        ) from None
    return done + Added(remarks=listed.remarks)


def forget_damaged(store: Store) -> None:
    """Take out the videos whose vectors are damaged, so that they are embedded again."""
    damaged = list(store.videos(store.damaged()).values())
    for row in damaged:
        log.warning("%s: its vectors are damaged; it is embedded again where a source has it", row.facts.path)
    store.update({row.number: replace(row.facts, content="damaged") for row in damaged})
    store.remove(row.number for row in damaged)


@dataclass(frozen=True)
class OwnFields:
    """A table of the user's own fields.

    Attributes:
        table: the file.
        key: "path" or "id", by which its rows name videos.
        values: stored path or id -> name -> text.
    """

    table: Path
    key: str
    values: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, table: Path, *, folder: Path) -> "OwnFields":
        """Read a table with a column "path" (starting from the table's folder) or "id".

        Raises:
            UserError: it cannot be read, or a column has a name that means something.
        """
        read = read_table(table)
        key = next((name for name in ("path", "id") if name in read.columns), None)
        names = [name for name in read.columns if name and name not in ("path", "id")]
        if key is None or not names:
            raise UserError(f"{table} has the columns {', '.join(read.columns)}; expected 'path' or 'id', and others")
        taken = [name for name in names if name in FILTERS]
        if taken:
            raise UserError(f"{table} has a column {taken[0]!r}, by which an index filters already; give another name")
        values = {
            stored_path(table.parent / row["path"], folder) if key == "path" else row["id"]: {
                name: row[name] for name in names if row[name]
            }
            for _, row in read.rows
        }
        return cls(table, key, values)

    def of_videos(self, store: Store, *, folder: Path) -> dict[str, Mapping[str, str]]:
        """Return stored path -> name -> text, of the videos that are in the store.

        Raises:
            UserError: none of them is.
        """
        wanted, key = self.values, self.key
        rows = store.rows(path=list(wanted)) if key == "path" else store.rows(id=list(wanted))
        found = {getattr(row.facts, key): row.facts.path for row in rows}
        if not found:
            raise UserError(
                f"not one of the {counted(len(wanted), 'video')} of {self.table} is in {folder}; see its column {key!r}"
            )
        if len(found) < len(wanted):
            log.warning("%s: %s of %s videos are not in the index", self.table, len(wanted) - len(found), len(wanted))
        return {path: wanted[name] for name, path in found.items()}


def _compare(
    store: Store, run: Run, listed: SourceVideos, *, folder: Path, retry_failed: bool
) -> tuple[Added, list[_Task]]:
    """Do what needs no embedding: videos that are gone, returned, or known otherwise. Return that and what is left."""
    found: dict[str, tuple[VideoEntry, VideoFacts]] = {}
    unreadable: list[tuple[str, str]] = []
    for entry in listed.entries:
        try:
            if listed.data is None:
                facts = file_facts(entry, folder=folder, root=listed.root)
            else:
                facts = prepared_facts(entry, listed.data, run.views, folder=folder)
        except OSError as error:
            unreadable.append((entry.path, f"unreadable: {error.strerror or error}"))
            continue
        found[facts.path] = entry, facts
    known = {row.facts.path: row for row in store.rows(path=list(found))}
    lost = {row.facts.path: row for row in store.rows(status="gone", path=list(found)) if row.num_windows}
    vanished = []
    if listed.root:
        root = stored_path(listed.root, folder)
        below = [] if listed.data is not None else store.rows(below=root)  # such as of a folder in this one
        below = [row for row in below if not Path(shown_path(row.facts.path, folder)).exists()]
        rows = {row.number: row for row in [*store.rows(source=root), *below]}
        vanished = [number for number, row in rows.items() if row.facts.path not in found]
    updates: dict[int, VideoFacts] = {}
    returned: list[int] = []
    tasks = []
    done = Added(gone=len(vanished), failed=tuple(unreadable))
    for path, (entry, facts) in found.items():
        row, earlier = known.get(path), lost.get(path)
        if row is None and earlier is not None and _is_same(earlier.facts, facts):
            returned.append(earlier.number)
            updates[earlier.number] = _with_outcome(facts, earlier.facts)
        elif row is None or not _is_same(row.facts, facts) or (retry_failed and row.facts.status == "failed"):
            tasks.append(_Task(entry, facts, row))
        else:
            if row.facts.status == "failed":
                done += Added(failed=((shown_path(path, folder), row.facts.reason),))
            else:
                done += Added(unchanged=1)
            renewed = _with_outcome(facts, row.facts)
            if renewed != row.facts:
                updates[row.number] = renewed
    if vanished:
        store.remove(vanished)
    if updates:
        store.update(updates, ready=returned)
    return done + Added(returned=len(returned)), tasks


def _without_known(tasks: list[_Task], store: Store, known_folder: Path, *, folder: Path) -> list[_Task]:
    """Leave out what another index has, ready and as it is now."""
    there = {task.facts.path: stored_path(shown_path(task.facts.path, folder), known_folder) for task in tasks}
    known = {row.facts.path: row.facts for row in store.rows(status="ready", path=list(there.values()))}
    return [
        task
        for task in tasks
        if (before := known.get(there[task.facts.path])) is None or not _is_same(before, task.facts)
    ]


def _is_same(before: VideoFacts, now: VideoFacts) -> bool:
    """Say whether a file is as it was; a copy with another time is."""
    return (before.size, before.content) == (now.size, now.content)


def _with_outcome(now: VideoFacts, before: VideoFacts) -> VideoFacts:
    """Return what is known of a file now, with what came of it before."""
    if not now.source:  # a file that is named by itself still belongs to its folder
        now = replace(now, source=before.source, label=before.label, group=before.group)
    return replace(
        now,
        id=before.id,
        fps=before.fps,
        duration_seconds=before.duration_seconds,
        status=before.status,
        reason=before.reason,
    )


def _work(
    run: Run,
    listed: SourceVideos,
    tasks: Sequence[_Task],
    *,
    device: str,
    workers: int | None,
    progress: ProgressSink | None,
    store: Store,
) -> Iterator[NewVideo]:
    """Embed and store; yield each video once it is confirmed."""
    by_id = {task.entry.id: task for task in tasks}
    assert len(by_id) == len(tasks), "ids of a listing are unique"
    frames = finished = failed = 0

    def tell(count: int) -> None:
        nonlocal frames
        frames += count
        if progress is not None:
            progress(finished, len(tasks), {"frames": frames, "failed": failed})

    if tasks:
        tell(0)
    for batch in _embed(run, listed, tasks, device=device, workers=workers, tell=tell):
        videos = [_new_video(by_id[one.entry.id], one) for one in batch]
        store.add(videos)
        finished, failed = finished + len(videos), failed + sum(video.vectors is None for video in videos)
        tell(0 if listed.data is None else sum(one.entry.num_frames or 0 for one in batch))
        yield from videos


def _embed(
    run: Run,
    listed: SourceVideos,
    tasks: Sequence[_Task],
    *,
    device: str,
    workers: int | None,
    tell: Callable[[int], None],
) -> Iterator[list[Embedded]]:
    entries = [task.entry for task in tasks]
    if not entries:
        return
    if listed.data is None:
        yield from embed_files(run, entries, device=device, workers=workers, on_frames=tell)
        return
    for at in range(0, len(entries), _PREPARED_AT_ONCE):
        yield embed_prepared(run, listed.data, entries[at : at + _PREPARED_AT_ONCE], device=device)


def _new_video(task: _Task, made: Embedded) -> NewVideo:
    entry = made.entry
    facts = task.facts if task.before is None else _with_outcome(task.facts, task.before.facts)
    facts = replace(facts, fps=entry.fps, duration_seconds=entry.duration_seconds)
    if made.vectors is None:
        facts = replace(facts, status="failed", reason=made.reason)
    else:
        facts = replace(facts, status="ready", reason=entry.reason)
    return NewVideo(facts, made.vectors, replaces=None if task.before is None else task.before.number)
