"""predictions.csv: written whole at the end; until then a journal beside it holds what is done, a video a line.

Videos are named from the folder of the table on, as in tables of labels.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from coview.collection.file_identity import file_stamp
from coview.collection.heads.timeline import TimelineSettings
from coview.collection.index import Index
from coview.collection.labels.label import NONE
from coview.collection.prediction.classifier import Classifier
from coview.collection.prediction.predicting import Prediction, Work, list_work, predict_videos
from coview.collection.sources import Source
from coview.datatypes import ProgressSink, VideoEntry
from coview.errors import UserError
from coview.files import atomic_path, disk_errors, read_line, require_writable, seal_line
from coview.locks import folder_lock
from coview.preparation.settings import share_of
from coview.remote import is_remote
from coview.stopping import Interrupted
from coview.wording import counted

Kind = Literal["videos", "segments", "windows"]


@dataclass(frozen=True)
class Written:
    """What came of it.

    Attributes:
        path: the table.
        videos: how many it tells of.
        failed: path and reason of those that could not be read.
        joined: the table of all shares, where this was the last of them.
    """

    path: Path
    videos: int
    failed: tuple[tuple[str, str], ...]
    joined: Path | None = None


def predict_to_file(
    classifier: Classifier,
    source: "Source | Index",
    out: Path,
    *,
    kind: Kind = "videos",
    settings: TimelineSettings | None = None,
    shard: str | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: ProgressSink | None = None,
) -> Written:
    """Predict videos into a table.

    Interrupted, it goes on where it was; a share of many machines writes a table of its own, and the last one to end
    joins them.

    Args:
        classifier: see `open_classifier`.
        source: what `Index.add` takes, or an index.
        out: the table; it may be there already only as what this call would write anew.
        kind: a row a video, a segment or a window.
        settings: of the timeline.
        shard: "i/n": the i-th of n shares.
        device: where to compute.
        workers: processes that make views.
        progress: told (videos done, in all, {"frames": made, "failed": videos}).

    Raises:
        UserError: nothing there to predict, or the table cannot be written.
        KeyboardInterrupt: with a message that says how much is done.
    """
    chosen = settings or TimelineSettings()
    share, shares = share_of(shard)
    work = list_work(source, classifier)
    if shard is not None:
        work = replace(work, entries=work.entries[share - 1 :: shares])
    path = out if shard is None else _share_path(out, share, shares)
    require_writable(path)
    identity = {
        "classifier": classifier.identity,
        "kind": kind,
        "settings": asdict(chosen),
        "share": [share, shares],
        "from": "vectors" if work.index is not None else "files",
    }
    lock = path.with_name(f".{path.name}.lock")
    journal = path.with_name(f".{path.name}.journal")
    with folder_lock(lock, otherwise=f"another process is writing {path}; wait for it to end"), disk_errors(path):
        try:
            done = _Journal(journal, identity)
            _fill(done, classifier, work, chosen, kind, device=device, workers=workers, progress=progress)
            written = _write_table(path, classifier, kind, done, work)
            journal.unlink()
        finally:
            lock.unlink(missing_ok=True)
    joined = _join(out, shares) if shard is not None else None
    return replace(written, joined=joined)


class _Journal:
    """What is done, a sealed line a video after one that says for what; a line that was cut off is dropped.

    Only where each line begins is held in memory.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._places: dict[str, int] = {}
        end = self._read(identity) if path.is_file() else 0
        with path.open("r+b" if end else "wb") as file:
            file.truncate(end)
            if not end:
                file.write(f"{seal_line({'of': json.dumps(identity, sort_keys=True)})}\n".encode())

    def _read(self, identity: Mapping[str, Any]) -> int:
        """Return where the last whole line ends; 0 where it is of other work."""
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                try:
                    values = read_line(line.rstrip()) if line.endswith(b"\n") else None
                except ValueError:
                    values = None
                if values is None or (end == 0 and values.get("of") != json.dumps(identity, sort_keys=True)):
                    break
                if end:
                    self._places[values["key"]] = end
                end += len(line)
        return end

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def add(self, key: str, values: Mapping[str, Any]) -> None:
        """Note a video."""
        with self.path.open("ab") as file:
            self._places[key] = file.tell()
            file.write(f"{seal_line({'key': key, **values})}\n".encode())

    def read(self, key: str) -> dict[str, Any]:
        """Return what was noted of a video."""
        with self.path.open("rb") as file:
            file.seek(self._places[key])
            return read_line(file.readline().rstrip())


def _fill(
    done: _Journal,
    classifier: Classifier,
    work: Work,
    settings: TimelineSettings,
    kind: Kind,
    *,
    device: str,
    workers: int | None,
    progress: ProgressSink | None,
) -> None:
    """Predict what the journal does not know yet."""
    keys = {entry.id: _key(entry, work) for entry in work.entries}
    left = tuple(entry for entry in work.entries if keys[entry.id] not in done)
    frames = failed = 0
    finished = len(work.entries) - len(left)

    def tell(count: int) -> None:
        nonlocal frames
        frames += count
        if progress is not None:
            progress(finished, len(work.entries), {"frames": frames, "failed": failed})

    tell(0)
    found = predict_videos(
        classifier, replace(work, entries=left), settings=settings, device=device, workers=workers, on_frames=tell
    )
    try:
        for one in found if left else ():
            done.add(keys[one.id], {"reason": one.reason, "rows": list(_rows(one, kind, classifier))})
            finished, failed = finished + 1, failed + bool(one.reason)
            tell(0)
    except KeyboardInterrupt as stop:
        raise Interrupted(
            f"interrupted; {finished:,} of {counted(len(work.entries), 'video')} are done, which is kept. The same "
            "command goes on from there",
            by=stop,
        ) from None


def _key(entry: VideoEntry, work: Work) -> str:
    """Return what tells a state of a video from another."""
    if work.data is not None or work.index is not None:
        return entry.id
    try:
        size, _, content = file_stamp(Path(entry.path))
    except OSError:
        return entry.path
    return f"{entry.path}|{size}|{content}"


def _rows(one: Prediction, kind: Kind, classifier: Classifier) -> Iterator[list[Any]]:
    """Yield the rows of one video, without its path."""
    if one.reason:
        return
    if kind == "videos":
        named = [float(one.probabilities[one.classes.index(name)]) for name in one.labels]
        none = max(0.0, 1 - float(one.probabilities.sum() if classifier.is_exclusive else one.probabilities.max()))
        chance = max(named, default=none)
        yield ["; ".join(one.labels) or NONE, _short(chance), *map(_short, one.probabilities)]
    elif kind == "segments":
        for part in one.segments:
            yield [_short(part.start_seconds), _short(part.end_seconds), part.label, _short(part.probability)]
    else:
        for start, end, chances in zip(one.starts, one.ends, one.windows, strict=True):
            yield [_short(start), _short(end), *map(_short, chances)]


def _short(value: float) -> float:
    return round(float(value), 4)


def _columns(classifier: Classifier, kind: Kind) -> list[str]:
    chances = [f"p:{name}" for name in classifier.classes]
    return {
        "videos": ["path", "label", "probability", *chances],
        "segments": ["path", "start", "end", "label", "probability"],
        "windows": ["path", "start", "end", *chances],
    }[kind]


def _write_table(path: Path, classifier: Classifier, kind: Kind, done: _Journal, work: Work) -> Written:
    failed = []
    with atomic_path(path) as aside, aside.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_columns(classifier, kind))
        for entry in work.entries:
            noted = done.read(_key(entry, work))
            if noted["reason"]:
                failed.append((entry.path, str(noted["reason"])))
            name = entry.path if is_remote(entry.path) else os.path.relpath(entry.path, path.parent)
            writer.writerows([name, *row] for row in noted["rows"])
    return Written(path, len(work.entries) - len(failed), tuple(failed))


def _share_path(out: Path, share: int, shares: int) -> Path:
    return out.with_name(f"{out.stem}-{share}-of-{shares}{out.suffix}")


def _join(out: Path, shares: int) -> Path | None:
    """Join the tables of all shares, where all of them are there."""
    paths = [_share_path(out, share, shares) for share in range(1, shares + 1)]
    if not all(path.is_file() for path in paths):
        return None
    headers = {path.open(encoding="utf-8").readline() for path in paths}
    if len(headers) > 1:
        raise UserError(f"the tables {paths[0].name} to {paths[-1].name} have different columns; predict them anew")
    with atomic_path(out) as aside, aside.open("wb") as joined:
        for number, path in enumerate(paths):
            with path.open("rb") as file:
                header = file.readline()
                joined.write(header if number == 0 else b"")
                while part := file.read(1 << 20):
                    joined.write(part)
    return out
