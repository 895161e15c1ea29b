"""The video files below a folder, whatever people keep there beside them."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from coview.datasets.listing import VIDEO_SUFFIXES, is_video_name
from coview.datasets.moving_pictures import PERHAPS_MOVING, is_moving
from coview.datasets.prepared import INFO_NAME, VIEWS_FOLDER, WORK_FOLDER
from coview.errors import UserError
from coview.registry import did_you_mean
from coview.wording import counted, some

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm")
_NOT_THE_USERS = frozenset(
    {
        "__macosx",
        "@eadir",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "recycler",
    }
)
"""What systems and network drives put into people's folders, in lower case; names that begin with a dot besides."""


@dataclass(frozen=True)
class VideoFiles:
    """The video files below a folder.

    Attributes:
        root: the folder, absolute.
        names: paths relative to it with "/", sorted.
        broken: those of them that are links to nothing.
        remarks: what was left out and why, for the user.
    """

    root: Path
    names: tuple[str, ...]
    broken: frozenset[str]
    remarks: tuple[str, ...]

    def path(self, name: str) -> str:
        """Return the absolute path of one of the names."""
        return f"{str(self.root).rstrip('/')}/{name}"


@dataclass
class _Walk:
    """What is gathered on the way."""

    names: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    undecodable: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)


def find_videos(source: Path) -> VideoFiles:
    """Find the videos below a folder by their extensions, links followed.

    Hidden files and folders (".x"), those of systems and network drives ("__MACOSX", "@eaDir"), and data sets that
    coview prepared in there, are left out; so are other files, which the remarks count.

    Raises:
        UserError: no such folder, or no video in it.
    """
    check_folder(source)
    root = Path(os.path.abspath(source))  # noqa: PTH100  (links stay as the user wrote them)
    walk = _Walk()
    _descend(walk, root, "", frozenset())
    if not walk.names:
        raise UserError(_why_none(source, walk))
    return VideoFiles(root, tuple(sorted(walk.names)), frozenset(walk.broken), tuple(_remarks(walk)))


def check_folder(source: Path) -> None:
    """Check that `source` is a folder with videos of somebody's, not a file and not a prepared data set.

    Raises:
        UserError: it is not; says what it is.
    """
    if not source.exists():
        raise UserError(f"the folder {source} does not exist{_nearest(source)}")
    if not source.is_dir():
        hint = "its folder" if is_video_name(source.name) else "a folder of videos, or for a table --layout csv"
        raise UserError(f"{source} is a file; give {hint}")
    if _is_prepared(source):
        raise UserError(f"{source} is itself a data set that coview prepared; give the folder of the original videos")


def _nearest(source: Path) -> str:
    """Say at which step of a path the mistake is."""
    wrong = Path(os.path.abspath(source))  # noqa: PTH100
    while not wrong.parent.exists():
        wrong = wrong.parent
    try:
        siblings = [child.name for child in wrong.parent.iterdir() if child.is_dir()]
    except OSError:
        siblings = []
    hint = did_you_mean(wrong.name, siblings) or "; give the folder that holds the videos"
    return f": no {wrong.name!r} in {wrong.parent}{hint}"


def _is_prepared(folder: str | Path) -> bool:
    return Path(folder, WORK_FOLDER).is_dir() or (
        Path(folder, INFO_NAME).is_file() and Path(folder, VIEWS_FOLDER).is_dir()
    )


def _descend(walk: _Walk, folder: Path, prefix: str, ancestors: frozenset[tuple[int, int]]) -> None:
    """Gather the files of `folder`, then go down; a link that leads back to a folder above is not followed."""
    try:
        status = folder.stat()
        files = sorted(_visible(folder), key=lambda file: file.name)
    except OSError as error:
        walk.closed.append(f"{prefix or folder}: {error.strerror}")
        return
    identity = (status.st_dev, status.st_ino)
    if identity in ancestors:
        return
    if sum(file.name.lower().endswith(_PICTURES) for file in files) > 1:
        walk.pictures.append(prefix.rstrip("/") or str(folder))
    for file in files:
        name = prefix + file.name
        if file.is_dir():
            if _is_prepared(file.path):
                walk.prepared.append(name)
            else:
                _descend(walk, Path(file.path), f"{name}/", ancestors | {identity})
        else:
            _gather(walk, file, name)


def find_folders(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (folder relative to `root` with "/", names of its files) of the folders that `find_videos` searches."""
    for parent, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(f for f in folders if _is_the_users(f) and not _is_prepared(Path(parent, f)))
        if parent != str(root):
            yield Path(parent).relative_to(root).as_posix(), [name for name in names if _is_the_users(name)]


def _is_the_users(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NOT_THE_USERS


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as files:
        yield from (file for file in files if _is_the_users(file.name))


def _gather(walk: _Walk, file: os.DirEntry[str], name: str) -> None:
    suffix = os.path.splitext(file.name)[1].lower()  # noqa: PTH122
    if suffix not in VIDEO_SUFFIXES or (suffix in PERHAPS_MOVING and not is_moving(file.path)):
        walk.others[suffix or "no extension"] += 1
        return
    if not _is_utf8(name):
        walk.undecodable.append(ascii(name))
        return
    if file.is_file():
        walk.names.append(name)
    elif file.is_symlink():
        walk.names.append(name)
        walk.broken.add(name)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why_undecodable() -> str:
    """Say what is amiss with names that Python could not decode: the names themselves, or how this shell reads them."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        return f"this shell's locale, of {encoding}, cannot read (set PYTHONUTF8=1, or a UTF-8 locale)"
    return "are not valid UTF-8 (rename them)"


def _remarks(walk: _Walk) -> Iterator[str]:
    if walk.closed:
        yield f"{counted(len(walk.closed), 'folder')} could not be opened and searched: {some(walk.closed)}"
    if walk.undecodable:
        yield (
            f"{counted(len(walk.undecodable), 'video')} left out for names that {_why_undecodable()}: "
            f"{some(walk.undecodable)}"
        )
    if walk.broken:
        yield f"{counted(len(walk.broken), 'link')} to files that do not exist: {some(sorted(walk.broken))}"
    if walk.prepared:
        yield f"{counted(len(walk.prepared), 'prepared data set')} not searched for videos: {some(walk.prepared)}"
    if walk.pictures:
        yield (
            f"{counted(len(walk.pictures), 'folder')} of pictures left out ({some(walk.pictures)}); where each is a "
            "video, its frames numbered, give --layout frames"
        )
    if walk.others and walk.names:
        yield f"{counted(walk.others.total(), 'file')} of other kinds left out ({_kinds(walk.others)})"


def _kinds(others: Counter[str]) -> str:
    """Return such as "3 .txt, 2 .jpg and 5 of 2 other kinds"."""
    most = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{count:,} {suffix}" for suffix, count in most[:5])
    rest = sum(count for _, count in most[5:])
    return shown + (f" and {rest:,} of {counted(len(most) - 5, 'other kind')}" if rest else "")


def _why_none(source: Path, walk: _Walk) -> str:
    found = _kinds(walk.others)
    seen = f"it holds other files ({found})" if found else "it is empty"
    reasons = "".join(f". {remark}" for remark in _remarks(walk))
    return (
        f"no video below {source}: {seen}{reasons}. Files with these extensions are taken for videos: "
        f"{' '.join(sorted(VIDEO_SUFFIXES))}"
    )
