"""Names in a file of labels -> videos of the index; and whether what the file says can be taken."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from coview.collection.file_identity import shown_path, stored_path
from coview.collection.labels.faults import Faults
from coview.collection.labels.label import Label, check_classes, check_span
from coview.collection.store import VideoRow
from coview.errors import UserError


@dataclass(frozen=True)
class Entry:
    """A label as a file has it.

    Attributes:
        place: where in the file, such as "line 7".
        video: name of the video.
        classes: empty for none of them.
        start_seconds: None for a whole video, or where frames are given.
        end_seconds: likewise.
        frames: first and last frame, counted from 1, where the file counts frames.
        who: said it.
        made_at: when.
        fps: frames a second where the file knows it.
    """

    place: str
    video: str
    classes: tuple[str, ...]
    start_seconds: float | None = None
    end_seconds: float | None = None
    frames: tuple[float, float] | None = None
    who: str = ""
    made_at: str = ""
    fps: float | None = None


class VideoNames:
    """Videos by the names that files give them: path, id, or a file name that only one video has.

    Args:
        rows: the videos.
        folder: of the index.
        base: folder of the file, from which relative paths start.
    """

    def __init__(self, rows: Sequence[VideoRow], *, folder: Path, base: Path) -> None:
        self._folder, self._base = folder, base
        self._by_path = {row.facts.path: row for row in rows}
        self._by_id = {row.facts.id: row for row in rows}
        self._by_name: dict[str, list[VideoRow]] = defaultdict(list)
        for row in rows:
            name = PurePosixPath(row.facts.path)
            for known in {name.name, name.stem}:
                self._by_name[known].append(row)
        self._by_stem = {str(PurePosixPath(path).with_suffix("")): row for path, row in self._by_path.items()}
        self._stems: dict[str, int] = defaultdict(int)
        for path in self._by_path:
            self._stems[str(PurePosixPath(path).with_suffix(""))] += 1

    def find(self, name: str) -> VideoRow:
        """Return the video of a name.

        Raises:
            UserError: there is none, or several.
        """
        path = stored_path(self._base / name, self._folder)
        found = self._by_path.get(path) or self._by_id.get(name)
        if found is None and self._stems.get(path) == 1:
            found = self._by_stem[path]
        if found is not None:
            return found
        several = self._by_name.get(PurePosixPath(name.replace("\\", "/")).name, [])
        if len(several) == 1:
            return several[0]
        if several:
            raise UserError(f"{name!r} may be any of {len(several)} videos of {self._folder}; give its path or its id")
        raise UserError(f"{name!r} is not in {self._folder}; add it with: coview index RUN SOURCE {self._folder}")


def resolve_entries(
    entries: Sequence[Entry],
    names: VideoNames,
    *,
    known: Sequence[Label],
    faults: Faults,
    replace_differing: bool,
) -> tuple[list[Label], list[int]]:
    """Turn what a file says into labels that can be added.

    Args:
        entries: of the file; several classes of the same seconds become one label.
        names: the videos.
        known: labels that the index has.
        faults: of the file so far.
        replace_differing: where the index says otherwise of the same seconds, the file counts.

    Returns:
        New labels, and the places in `known` of those that they replace.

    Raises:
        UserError: with all places in the file.
    """
    made: dict[tuple[str, float | None, float | None], tuple[Label, str]] = {}
    by_video: dict[str, list[tuple[Label, str]]] = defaultdict(list)
    for entry in entries:
        with faults.gathered(entry.place):
            row = names.find(entry.video)
            start, end = _seconds(entry, row)
            start, end = check_span(start, end, duration=row.facts.duration_seconds)
            path = shown_path(row.facts.path, names._folder)
            label = Label(
                path, check_classes(entry.classes), start, end, entry.who, entry.made_at, row.facts.id, row.number
            )
            key = (path, start, end)
            if key in made and bool(made[key][0].classes) == bool(label.classes):
                before, where = made[key]
                both = tuple(sorted({*before.classes, *label.classes}))
                made[key] = replace(before, classes=both), where
            else:
                _refuse_contradiction(label, by_video[path])
                made[key] = label, entry.place
                by_video[path].append(made[key])
    found = _compare(list(made.values()), known, faults=faults, replace_differing=replace_differing)
    faults.raise_if_any()
    return found


def _compare(
    made: Sequence[tuple[Label, str]], known: Sequence[Label], *, faults: Faults, replace_differing: bool
) -> tuple[list[Label], list[int]]:
    """Leave out what the index says already, and find what it says otherwise."""
    same = {(label.path, label.start_seconds, label.end_seconds): place for place, label in enumerate(known)}
    others: dict[str, list[tuple[Label, str]]] = defaultdict(list)
    for label in known:
        others[label.path].append((label, "the index"))
    new: list[Label] = []
    replaced: list[int] = []
    for label, place in made:
        at = same.get((label.path, label.start_seconds, label.end_seconds))
        if at is not None and known[at].classes == label.classes:
            continue
        with faults.gathered(place):
            if at is not None and not replace_differing:
                raise UserError(
                    f"{label.id} is labelled {known[at].words} in the index and {label.words} here, of the same "
                    "seconds; to let the file count: --replace"
                )
            if at is not None:
                replaced.append(at)
            _refuse_contradiction(label, [one for one in others[label.path] if at is None or one[0] is not known[at]])
            new.append(label)
    return new, replaced


def _refuse_contradiction(label: Label, others: Sequence[tuple[Label, str]]) -> None:
    for other, where in others:
        if label.contradicts(other):
            raise UserError(
                f"{label.id}: {label.words} contradicts {other.words} ({where}): a moment has classes or none of them"
            )


def _seconds(entry: Entry, row: VideoRow) -> tuple[float | None, float | None]:
    """Return start and end, from frames where the file counts them: frame 1 is the first."""
    if entry.frames is None:
        return entry.start_seconds, entry.end_seconds
    fps = entry.fps or row.facts.fps
    if not fps:
        raise UserError(f"it counts frames, and how many a second {row.facts.id} has is not known; give seconds")
    first, last = entry.frames
    return max(0.0, (first - 1) / fps), last / fps


def relative_names(labels: Sequence[Label], base: Path) -> Mapping[str, str]:
    """Return how each labelled video is called in a file that lies in a folder."""
    return {label.path: stored_path(label.path, base) for label in labels}
