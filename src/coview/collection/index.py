"""A collection that can be searched down to the moment: made from a run, grown by folders of videos, kept on disk.

INDEX/index.yaml      which run and checkpoint embed, and its views
INDEX/index.sqlite    videos, windows, labels, what became of each
INDEX/vectors/        float16 rows of windows and of whole videos, a file a view
INDEX/ann/            which windows are near each other, once they are very many
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coview.collection.about import load_run
from coview.collection.added import Added
from coview.collection.catalogue import Catalogue
from coview.collection.catalogue_store import Part
from coview.collection.curated import CuratedCollection
from coview.collection.curation import Selection, select_videos
from coview.collection.file_identity import shown_path, shown_paths
from coview.collection.filters import parse_filter
from coview.collection.hits import IndexHit, IndexHits
from coview.collection.labels import Labels
from coview.collection.merging import take_in
from coview.collection.queries import Query, choose_views, find_videos, resolve_query
from coview.collection.store import Candidate, Floats, Store
from coview.collection.stores import open_store
from coview.errors import UserError
from coview.wording import counted

if TYPE_CHECKING:
    from coview.collection.heads import Head
    from coview.collection.sources import Source
    from coview.datatypes import ProgressSink
    from coview.embedding.run import Run


class Index(CuratedCollection):
    """A collection of videos with the vectors of their windows. `open_index` makes one.

    Attributes:
        path: its folder.
        views: the views it can be searched by.
    """

    def __init__(self, path: Path, *, about: Mapping[str, Any], run: "Run | None" = None, create: bool = False) -> None:
        self.path, self._about, self._given_run = path, about, run
        self.views: tuple[str, ...] = tuple(about["views"])
        self._identity = {"index": str(about["id"]), "run": str(about["run"]["identity"])}
        kind = str(about.get("store", "local"))
        self._store = open_store(kind, path, about["views"], identity=self._identity, create=create)
        self._labels: Labels | None = None

    def __len__(self) -> int:
        """Return how many videos can be found."""
        return self._store.totals()[0]

    def __repr__(self) -> str:
        videos, windows, failed = self._store.totals()
        bad = f" ({failed:,} more failed)" if failed else ""
        counts = f"{counted(videos, 'video')}{bad}, {counted(windows, 'window')}"
        return f"Index({str(self.path)!r}, {counts}, views: {', '.join(self.views)})"

    @property
    def run_identity(self) -> str:
        """A hash of the weights and settings that its vectors depend on."""
        return str(self._about["run"]["identity"])

    @property
    def run_place(self) -> dict[str, str]:
        """Path, checkpoint and identity of the run whose vectors it holds."""
        known = self._about["run"]
        path = shown_path(str(known["path"]), self.path)
        return {"path": path, "checkpoint": str(known["checkpoint"]), "identity": str(known["identity"])}

    @property
    def store(self) -> Store:
        """What holds its videos and their vectors."""
        return self._store

    @property
    def labels(self) -> Labels:
        """What people said of its videos and moments; see `coview.collection.labels.Labels`."""
        if self._labels is None:
            path = self.path / "index.sqlite"
            own = Catalogue(path, identity=self._identity, is_checked=True)  # its steps mix with no other's
            self._labels = Labels(own, self._store, self.path)
        return self._labels

    def close(self) -> None:
        """Close its files."""
        self._store.close()
        if self._labels is not None:
            self._labels.close()

    @property
    def run(self) -> "Run":
        """The run that embeds for this index.

        Raises:
            UserError: it is not where it was, or its weights are no longer those of the vectors.
        """
        if self._given_run is None:
            self._given_run = load_run(self._about, self.path)
        return self._given_run

    def add(
        self,
        *sources: "Source",
        fields: Path | str | None = None,
        workers: int | None = None,
        device: str = "auto",
        retry_failed: bool = False,
        verify: bool = False,
        shard: str | None = None,
        beside: "Index | None" = None,
        progress: "ProgressSink | None" = None,
    ) -> Added:
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
            shard: "i/n": the i-th of n shares of the videos alone, for an index that is merged with others later.
            beside: an index whose videos are left out, such as the one to merge with.
            progress: told (videos done, videos to do, {"frames": made so far, "failed": videos}).

        Returns:
            What was done, in videos.

        Raises:
            TypeError: a source is nothing of what is expected.
            UserError: a source without videos, another process at work here, a full disk, or a run that is gone.
            KeyboardInterrupt: with a message that says how much is done.
        """
        from coview.collection.adding import OwnFields, add_source, forget_damaged

        run = self.run
        own = None if fields is None else OwnFields.read(Path(fields), folder=self.path)
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
                    shard=shard,
                    beside=None if beside is None else (beside.store, beside.path),
                )
            if own is not None:
                self._store.set_fields(own.of_videos(self._store, folder=self.path))
            if shard is None:
                self._store.sort()
            self._store.check_table()
        return done

    def merge(self, *others: "Index") -> Added:
        """Take in the videos of other indexes of the same run, which stay as they are; see `coview index --shard`.

        Fields and labels are not taken along. Interrupted, the same call goes on from there.

        Raises:
            UserError: an index of another run, damaged vectors, another process at work here, or a full disk.
        """
        done = Added()
        for other in others:
            if other.run_identity != self.run_identity or other.views != self.views:
                raise UserError(f"{other.path} is of another run than {self.path}: their vectors cannot be compared")
        with self._store.writing():
            for other in others:
                done += take_in(self._store, other.store, folder=self.path, other_folder=other.path)
            self._store.sort()
            self._store.check_table()
        return done

    def remove(self, videos: str | Iterable[str]) -> int:
        """Take videos out, by id or path; return how many. Their files are not touched.

        Raises:
            UserError: one of them is not in the index; then none is removed.
        """
        names = [videos] if isinstance(videos, str) else list(videos)
        with self._store.writing():
            numbers = find_videos(names, self._store, self.path)
            self._store.remove(numbers)
        return len(numbers)

    def verify(self) -> list[str]:
        """Read all vectors; return the ids of the videos whose vectors are damaged."""
        return [row.facts.id for row in self._store.videos(self._store.damaged()).values()]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a video that is not gone: what is known of it, as plain values by name."""
        names = ("id", "label", "group", "status", "reason", "fps", "duration_seconds")
        rows = self._store.rows()
        paths = shown_paths((row.facts.path for row in rows), self.path)
        return [
            {"path": path, "windows": row.num_windows} | {name: getattr(row.facts, name) for name in names}
            for path, row in zip(paths, rows, strict=True)
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
        views = choose_views(view, self.views, self.path)
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
        return IndexHits(self._hits(found, resolved), title=resolved.words)

    def head(
        self,
        *,
        view: str | Sequence[str] | None = None,
        combine: str = "concat",
        multi_label: bool | None = None,
        source_labels: bool = False,
    ) -> "Head":
        """Fit a linear classifier of windows to the labels, with calibrated probabilities.

        How good it is was found by cross-validation over whole recordings: `coview.evaluation.heads.judge_head`.

        Example:
            head = index.head()
            head.save("heads/mine")

        Args:
            view: the view, or views, whose vectors it takes; not given: all.
            combine: "concat": one after the other; "mean": their mean.
            multi_label: classes may be seen at once; not given: where a moment has several.
            source_labels: also learn from the classes that the sources gave whole videos (folders, tables).

        Raises:
            UserError: no labels, one class only, an unknown view, or labels that contradict `multi_label`.
        """
        from coview.collection.heads.making import make_head

        return make_head(
            self,
            views=choose_views(view, self.views, self.path),
            combine=combine,
            multi_label=multi_label,
            source_labels=source_labels,
        )

    def select(
        self, view: str | Sequence[str] | None, where: Mapping[str, Any] | None, part: Part = "videos"
    ) -> Selection:
        """Return the ready videos that meet conditions, with vectors of some views."""
        views = choose_views(view, self.views, self.path)
        conditions = parse_filter(where, folder=self.path, fields=self._store.field_names())
        return select_videos(self._store, conditions, folder=self.path, views=views, part=part)

    def embed_query(
        self, path: Path, start: float | None = None, end: float | None = None, device: str = "auto"
    ) -> Mapping[str, Floats]:
        """Embed a video file, or some seconds of it, to search with: view name -> (D,) unit vector.

        Raises:
            UserError: the file cannot be read, or the run is gone.
        """
        from coview.collection.embedding_videos import embed_query

        return embed_query(self.run, path, start_seconds=start, end_seconds=end, device=device)

    def _hits(self, found: Sequence[Candidate], query: Query) -> list[IndexHit]:
        rows = self._store.videos(one.number for one in found)
        paths = dict(zip(rows, shown_paths((row.facts.path for row in rows.values()), self.path), strict=True))
        return [
            IndexHit(
                rank,
                rows[one.number].facts.id,
                paths[one.number],
                rows[one.number].facts.label,
                one.cosine,
                one.cosines,
                one.start_seconds,
                one.end_seconds,
                query.is_in(one),
            )
            for rank, one in enumerate(found, 1)
        ]
