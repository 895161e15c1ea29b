"""Official lists of a data set and the files a user has of it, brought together by stem, whatever the extension."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coview.datasets.listing import MISSING_REASON, Listing, composed, missing_remarks, without_suffix
from coview.datasets.video_files import VideoFiles, check_folder, find_videos
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.wording import counted, some


@dataclass(frozen=True)
class Listed:
    """A video as the lists name it.

    Attributes:
        stem: file name without extension; also the id, where no two classes have a video of that name.
        label: its class, which is also the folder it is expected in.
        splits: split column -> part.
        group: as in VideoEntry.
        place: where it belongs in the source, for messages and for the path of a missing video.
        other_stem: a second name the file may have; used where no file has the first.
    """

    stem: str
    label: str | None
    splits: dict[str, str]
    group: str | None
    place: str
    other_stem: str | None = None


def find_lists(
    source: Path, lists: Path | None, *, patterns: Sequence[str], folders: Sequence[str], what: str
) -> tuple[Path, ...]:
    """Return the list files that match any of `patterns`.

    Args:
        source: the folder of videos; searched, with the folder above it, where `lists` is not given.
        lists: a folder, or one of the files in it, as the user gave it.
        patterns: such as "trainlist*.txt".
        folders: usual names of the folder of lists.
        what: the lists in words, for messages.

    Raises:
        UserError: none found; says where they were looked for and to give `--lists DIR`.
    """
    if lists is not None and not lists.exists():
        raise UserError(f"--lists {lists} does not exist; give the folder with {what}")
    check_folder(source)
    bases = [source, source.parent] if lists is None else [lists if lists.is_dir() else lists.parent]
    tried = [place for base in bases for place in (base, *(base / name for name in folders))]
    for place in tried:
        found = sorted({path for pattern in patterns for path in place.glob(pattern) if path.is_file()})
        if found:
            return tuple(found)
    if lists is None:
        raise UserError(
            f"the lists of the data set were not found: {what}. Looked in {source} and the folder above it, and there "
            f"in folders called {', '.join(folders)}; say where they are with --lists DIR"
        )
    seen = sorted(path.name for path in bases[0].iterdir())
    raise UserError(f"--lists {lists} does not hold {what}; it holds: {some(seen, 5) or 'nothing'}")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return (line number, line without outer spaces) of a text file, blank lines left out.

    Raises:
        UserError: cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read the list {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"the list {path} is not a text in UTF-8") from None
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def add_part(splits: dict[str, str], split: str, part: str, *, place: str) -> None:
    """Note that a video is in this part of a split.

    Raises:
        UserError: it is already in another part of it.
    """
    if splits.setdefault(split, part) != part:
        raise UserError(f"{place}: the video is in {splits[split]!r} and in {part!r} of {split!r}; mend the lists")


def bring_together(
    source: Path, listed: Sequence[Listed], *, lists: Path, fold: Callable[[str], str] = str.casefold
) -> Listing:
    """Find the file of each listed video below `source`.

    Args:
        source: the folder of videos, in class folders or flat.
        listed: the videos of the lists, each once.
        lists: where the lists are, for messages.
        fold: two stems are the same if this makes them equal and neither is listed otherwise; UCF101 spells
            "HandStandPushups" in two ways.

    Raises:
        UserError: `source` cannot be used, or none of the videos is there.
    """
    if not listed:
        raise UserError(f"the lists in {lists} name no video")
    files = find_videos(source)
    by_stem = _by_stem(files, fold)
    listed_exactly = {composed(video.stem) for video in listed}
    times_listed = Counter(fold(video.stem) for video in listed)
    entries: list[VideoEntry] = []
    used: set[str] = set()
    several: list[str] = []
    for video in listed:
        found = _of_this_name(by_stem.get(fold(composed(video.stem)), []), video.stem, listed_exactly)
        is_alone = times_listed[fold(video.stem)] == 1
        if not is_alone:
            found = [name for name in found if _is_in(name, video.label)]
        if not found and video.other_stem is not None:
            found = by_stem.get(fold(composed(video.other_stem)), [])
        used.update(found)
        found = [name for name in found if _is_in(name, video.label)] + [
            name for name in found if not _is_in(name, video.label)
        ]
        if len(found) > 1:
            several.append(f"{found[0]} rather than {found[1]}")
        video_id = video.stem if is_alone else f"{video.label}/{video.stem}"
        entries.append(_entry(video_id, video, files, found[0] if found else None))
    if not used:
        raise UserError(_why_no_match(source, listed, files, lists))
    return Listing(tuple(entries), (*files.remarks, *_remarks(files, entries, used, several)))


def _by_stem(files: VideoFiles, fold: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in files.names:
        found.setdefault(fold(_stem(name)), []).append(name)
    return found


def _stem(name: str) -> str:
    return composed(without_suffix(name.rpartition("/")[2]))


def _of_this_name(found: Sequence[str], stem: str, listed_exactly: Container[str]) -> list[str]:
    """Return the files that are called so; if there are none, those called almost so that nothing else is called by."""
    exact = [name for name in found if _stem(name) == composed(stem)]
    return exact or [name for name in found if _stem(name) not in listed_exactly]


def _is_in(name: str, folder: str | None) -> bool:
    return folder is not None and f"/{folder.casefold()}/" in f"/{name.casefold()}"


def _entry(video_id: str, video: Listed, files: VideoFiles, name: str | None) -> VideoEntry:
    is_missing = name is None or name in files.broken
    return VideoEntry(
        id=video_id,
        path=files.path(video.place if name is None else name),
        label=video.label,
        group=video.group,
        splits=video.splits,
        status="missing" if is_missing else "listed",
        reason=MISSING_REASON if is_missing else "",
    )


def _remarks(files: VideoFiles, entries: Sequence[VideoEntry], used: set[str], several: Sequence[str]) -> Iterable[str]:
    yield from missing_remarks(entries)
    unlisted = [name for name in files.names if name not in used]
    if unlisted:
        yield f"{counted(len(unlisted), 'file')} without a row in the lists, left out ({some(unlisted)})"
    if several:
        yield f"{counted(len(several), 'listed video')} with several files; taken: {some(several)}"


def _why_no_match(source: Path, listed: Sequence[Listed], files: VideoFiles, lists: Path) -> str:
    return (
        f"none of the {counted(len(listed), 'video')} that {lists} lists is below {source}; looked for files such as "
        f"{listed[0].place} (any extension), found {counted(len(files.names), 'other')} such as {files.names[0]}. "
        "Give the folder of the videos that belong to these lists, or other --lists"
    )
