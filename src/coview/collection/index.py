"""A collection that can be searched down to the moment: made from a run, grown by folders of videos, kept on disk.

INDEX/index.yaml      which run and checkpoint embed, and its views
INDEX/index.sqlite    videos, windows, labels, what became of each
INDEX/vectors/        float16 rows of windows and of whole videos, a file a view
"""

import datetime
import importlib.metadata
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coview.collection.file_identity import shown_path, stored_path
from coview.collection.filters import parse_filter
from coview.collection.hits import IndexHit, IndexHits
from coview.collection.local_store import LOCK, LocalStore
from coview.collection.queries import Query, resolve_query, unknown_video
from coview.collection.store import Candidate, Floats, Store
from coview.config import read_yaml, write_yaml
from coview.errors import UserError
from coview.files import as_path, check_format, disk_errors
from coview.locks import folder_lock
from coview.registry import did_you_mean

if TYPE_CHECKING:
    from coview.collection.adding import Added
    from coview.collection.sources import Source
    from coview.datatypes import ProgressSink
    from coview.embedding.run import Run

FORMAT = 1
"""The "format" of index.yaml; raised when older versions of coview could no longer read the folder."""
_ABOUT = "index.yaml"
_OWN_FILES = {_ABOUT, "index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "vectors", LOCK}


class Index:
    """A collection of videos with the vectors of their windows. `open_index` makes one.

    Attributes:
        path: its folder.
        views: the views it can be searched by.
    """

    def __init__(self, path: Path, *, about: Mapping[str, Any], run: "Run | None" = None, create: bool = False) -> None:
        self.path, self._about, self._given_run = path, about, run
        self.views: tuple[str, ...] = tuple(about["views"])
        identity = {"index": str(about["id"]), "run": str(about["run"]["identity"])}
        self._store = LocalStore(path, about["views"], identity=identity, create=create)

    def __len__(self) -> int:
        """Return how many videos can be found."""
        return self._store.totals()[0]

    def __repr__(self) -> str:
        videos, windows, failed = self._store.totals()
        bad = f" ({failed:,} more failed)" if failed else ""
        return f"Index({str(self.path)!r}, {videos:,} videos{bad}, {windows:,} windows, views: {', '.join(self.views)})"

    @property
    def run_identity(self) -> str:
        """A hash of the weights and settings that its vectors depend on."""
        return str(self._about["run"]["identity"])

    @property
    def store(self) -> Store:
        """What holds its videos and their vectors."""
        return self._store

    def close(self) -> None:
        """Close its files."""
        self._store.close()

    @property
    def run(self) -> "Run":
        """The run that embeds for this index.

        Raises:
            UserError: it is not where it was, or its weights are no longer those of the vectors.
        """
        from coview.embedding.run import Run

        if self._given_run is None:
            known = self._about["run"]
            path = shown_path(str(known["path"]), self.path)
            try:
                opened = Run.load(path, str(known["checkpoint"]))
            except UserError as error:
                raise UserError(
                    f"the run of {self.path} cannot be opened: {error}. If it was moved, say where it is: "
                    f"open_index({str(self.path)!r}, run=...), or --run RUN"
                ) from error
            _check_run(self._about, opened, self.path)
            self._given_run = opened
        return self._given_run

    def add(
        self,
        *sources: "Source",
        fields: Path | str | None = None,
        workers: int | None = None,
        device: str = "auto",
        retry_failed: bool = False,
        verify: bool = False,
        progress: "ProgressSink | None" = None,
    ) -> "Added":
        """Embed every half-overlapping window of every video that is new or has changed; the rest is left alone.

        A video whose file is as it was (size and content) is not touched. Videos that a folder no longer holds are
        marked gone. One that cannot be read is noted with its reason, and the others go on. Interrupted at any
        moment, what was confirmed is kept and the same call goes on from there.

        Args:
            sources: each a folder of videos, a video, a table (.csv, .tsv), a list of paths (.txt), a prepared data
                set or its folder, or a list of video files.
            fields: a table with a column "path" or "id" and columns of one's own, to filter by.
            workers: processes that make views; not given: one a core; 0: work in this process.
            device: "auto", "cpu", "cuda" or "cuda:<n>".
            retry_failed: try videos again that failed before.
            verify: compare all vectors with their checksums first, and embed anew what is damaged.
            progress: told (videos done, videos to do, {"frames": made so far, "failed": videos}).

        Returns:
            What was done, in videos.

        Raises:
            TypeError: a source is nothing of what is expected.
            UserError: a source without videos, another process at work here, a full disk, or a run that is gone.
            KeyboardInterrupt: with a message that says how much is done.
        """
        from coview.collection.adding import Added, add_source, forget_damaged, read_own_fields

        run = self.run
        done = Added()
        with self._store.writing(mend=verify):
            if verify:
                forget_damaged(self._store)
            for source in sources:
                done += add_source(
                    self._store,
                    run,
                    source,
                    folder=self.path,
                    device=device,
                    workers=workers,
                    retry_failed=retry_failed,
                    progress=progress,
                )
            if fields is not None:
                self._store.set_fields(read_own_fields(Path(fields), self._store, folder=self.path))
        return done

    def remove(self, videos: str | Iterable[str]) -> int:
        """Take videos out, by id or path; return how many. Their files are not touched.

        Raises:
            UserError: one of them is not in the index; then none is removed.
        """
        names = [videos] if isinstance(videos, str) else list(videos)
        with self._store.writing():
            by_id = {row.facts.id: row.number for row in self._store.rows(id=names)}
            others = {stored_path(name, self.path): name for name in names if name not in by_id}
            by_path = {others[row.facts.path]: row.number for row in self._store.rows(path=list(others))}
            unknown = [name for name in others.values() if name not in by_path]
            if unknown:
                raise unknown_video(unknown[0], self._store, self.path)
            numbers = {*by_id.values(), *by_path.values()}
            self._store.remove(numbers)
        return len(numbers)

    def verify(self) -> list[str]:
        """Read all vectors; return the ids of the videos whose vectors are damaged."""
        return [self._store.video(number).facts.id for number in self._store.damaged()]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a video that is not gone: what is known of it, as plain values by name."""
        names = ("id", "label", "group", "status", "reason", "fps", "duration_seconds")
        return [
            {"path": shown_path(row.facts.path, self.path), "windows": row.num_windows}
            | {name: getattr(row.facts, name) for name in names}
            for row in self._store.rows()
        ]

    def search(
        self,
        query: "str | Path | IndexHit | Mapping[str, Any]",
        *,
        start: float | None = None,
        end: float | None = None,
        top: int = 10,
        view: str | Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        moments: bool = True,
        per_video: int = 3,
        device: str = "auto",
    ) -> IndexHits:
        """Find the moments, or the videos, that are most like a query, by the mean cosine over views.

        Example:
            hits = index.search("q.mp4", start=3.2, end=5.0, top=10, where={"label": ["wave", "run"]})

        Args:
            query: a video file, the id of a video of the index, a hit of an earlier search, or vectors: view name ->
                D numbers.
            start: search for what happens from this second of the query on.
            end: until this second.
            top: how many hits.
            view: the view, or views, to compare; not given: all.
            where: conditions on videos: "label", "id", "group": a text or several; "path": a pattern such as
                "cam1/*"; "time", "duration": (low, high) in seconds; fields of one's own.
            moments: find moments; otherwise whole videos.
            per_video: at most this many moments of one video.
            device: where a video that is not in the index is embedded.

        Raises:
            TypeError: the query is nothing of what is expected.
            UserError: no such file or id, an unreadable query, an unknown view or condition, or damaged vectors.
        """
        if isinstance(top, bool) or not isinstance(top, int) or top < 1 or per_video < 1:
            raise UserError(f"top is {top!r}, per_video is {per_video!r}; ask for at least 1 hit")
        views = self._choose_views(view)
        conditions = parse_filter(where, folder=self.path, fields=self._store.field_names())
        resolved = resolve_query(
            query,
            start,
            end,
            views=views,
            store=self._store,
            folder=self.path,
            embed=lambda path, start, end: self.embed_query(path, start, end, device),
        )
        found = self._store.search(
            {one: resolved.vectors[one] for one in views},
            top=top,
            kind="moments" if moments else "videos",
            where=conditions,
            per_video=per_video,
        )
        return IndexHits([self._hit(rank, one, resolved) for rank, one in enumerate(found, 1)], query=resolved.words)

    def embed_query(
        self, path: Path, start: float | None = None, end: float | None = None, device: str = "auto"
    ) -> Mapping[str, Floats]:
        """Embed a video file, or some seconds of it, to search with: view name -> (D,) unit vector.

        Raises:
            UserError: the file cannot be read, or the run is gone.
        """
        from coview.collection.embedding_videos import embed_query

        return embed_query(self.run, path, start_seconds=start, end_seconds=end, device=device)

    def _hit(self, rank: int, found: Candidate, query: Query) -> IndexHit:
        facts = self._store.video(found.number).facts
        path = shown_path(facts.path, self.path)
        times = found.start_seconds, found.end_seconds
        return IndexHit(rank, facts.id, path, facts.label, found.cosine, found.cosines, *times, query.is_in(found))

    def _choose_views(self, view: str | Sequence[str] | None) -> tuple[str, ...]:
        chosen = self.views if view is None else (view,) if isinstance(view, str) else tuple(view)
        for one in chosen:
            if one not in self.views:
                hint = did_you_mean(one, self.views) or "."
                raise UserError(f"{self.path} has no view {one!r}{hint} It has: {', '.join(self.views)}")
        if not chosen:
            raise UserError(f"no view given to search by; {self.path} has: {', '.join(self.views)}")
        return chosen


def open_index(path: Path | str, *, run: "Run | Path | str | None" = None, checkpoint: str | None = None) -> Index:
    """Open an index, or begin a new one for a run.

    Example:
        index = open_index("idx", run="runs/mine")
        index.add("my_videos/")
        hits = open_index("idx").search("query.mp4", start=3.2, end=5.0)

    Args:
        path: the folder of the index; where there is none yet, one is begun if `run` is given.
        run: the run that embeds, or its folder. Not given: the one that the index was begun with, where it was.
        checkpoint: folder name of a checkpoint of the run; not given: the newest, of a run that is finished.

    Raises:
        TypeError: an argument is of the wrong kind.
        UserError: no index there, a damaged one, one of another run, or a run that is not finished.
    """
    folder = as_path(path, name="path", what="the folder of an index")
    opened = None if run is None else _open_run(run, checkpoint)
    if (folder / _ABOUT).is_file():
        about = _read_about(folder)
        if opened is not None:
            _check_run(about, opened, folder)
        return Index(folder, about=about, run=opened)
    if opened is None:
        raise UserError(_why_none(folder))
    return _create(folder, opened)


def _create(folder: Path, run: "Run") -> Index:
    """Begin an index; what a process that died while it began one has left is removed."""
    from coview.collection.embedding_videos import run_identity

    inside = {child.name for child in folder.iterdir()} if folder.is_dir() else set()
    if (folder.exists() and not folder.is_dir()) or inside - _OWN_FILES:
        raise UserError(f"{folder} is there already and is no index; choose a new folder")
    known = {"path": stored_path(run.path, folder), "checkpoint": run.checkpoint.name, "identity": run_identity(run)}
    about = {
        "format": FORMAT,
        "coview": importlib.metadata.version("coview"),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "id": secrets.token_hex(16),
        "run": known,
        "views": {view: int(run.encoders[view].feature_size) for view in run.views},
    }
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(folder / LOCK, otherwise=f"another process is beginning the index {folder}; try again"):
            if (folder / _ABOUT).is_file():  # another process was quicker
                return open_index(folder, run=run)
            for name in inside - {LOCK}:
                (shutil.rmtree if (folder / name).is_dir() else os.unlink)(folder / name)
            index = Index(folder, about=about, run=run, create=True)
            write_yaml(folder / _ABOUT, about, is_sealed=True)
            return index


def _open_run(run: "Run | Path | str", checkpoint: str | None) -> "Run":
    """Open the run that is to embed; its weights must stay, so that videos can be embedded for a search later.

    Raises:
        UserError: its training has not ended, and no checkpoint that stays was named.
    """
    from coview.embedding.run import Run

    opened = run if isinstance(run, Run) else Run.load(as_path(run, name="run", what="the folder of a run"), checkpoint)
    at = opened.position
    is_named = checkpoint is not None or isinstance(run, Run)
    if not at.is_stage_finished or not (is_named or at.stage_index == len(opened.stages) - 1):
        raise UserError(
            f"the run {opened.path} is not finished: its newest checkpoint is {opened.checkpoint.name}. Finish it "
            "with: coview pretrain ... --resume; or name the last checkpoint of a finished stage: --checkpoint NAME"
        )
    return opened


def _check_run(about: Mapping[str, Any], run: "Run", folder: Path) -> None:
    """Refuse another run, or other weights of the same: their vectors cannot be compared."""
    from coview.collection.embedding_videos import run_identity

    known = about["run"]
    if run_identity(run) != known["identity"]:
        raise UserError(
            f"{folder} holds vectors of {shown_path(str(known['path']), folder)}, checkpoint {known['checkpoint']}; "
            f"those of {run.path}, checkpoint {run.checkpoint.name}, cannot be compared with them (other weights or "
            "settings). Give that run, or a new folder for an index"
        )


def _read_about(folder: Path) -> Mapping[str, Any]:
    """Read index.yaml.

    Raises:
        UserError: damaged, or made by another coview.
    """
    about = read_yaml(folder / _ABOUT)
    run, views = about.get("run"), about.get("views") or {}
    is_whole = isinstance(run, Mapping) and all(
        isinstance(run.get(key), str) for key in ("path", "checkpoint", "identity")
    )
    is_whole = is_whole and isinstance(views, Mapping) and bool(views) and isinstance(about.get("id"), str)
    if not is_whole or not all(isinstance(size, int) and size > 0 for size in views.values()):
        raise UserError(f"{folder / _ABOUT} is damaged; bring it back from a copy, or make the index again")
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", str(view)) for view in views):
        raise UserError(f"{folder / _ABOUT} is damaged: {', '.join(map(repr, views))} are no names of views")
    check_format(about.get("format"), known=FORMAT, what=str(folder), remedy="make the index again, in a new folder")
    return about


def _why_none(folder: Path) -> str:
    make = f"make one with: coview index RUN SOURCE {folder}"
    if not folder.exists():
        return f"there is no index at {folder}; {make}"
    if folder.is_dir() and (folder / "index.sqlite").exists():
        return f"{folder} has lost its {_ABOUT}; bring it back from a copy, or make the index again in a new folder"
    return f"{folder} is no index: it has no {_ABOUT}; {make.replace(str(folder), 'INDEX')}"
