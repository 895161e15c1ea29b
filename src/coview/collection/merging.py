"""Several indexes of one run become one: how shares that machines embed beside each other come together.

A share is an index of its own, in INDEX/parts/<i>of<n>, with videos chosen by a hash of their ids: each is in one
share, whatever comes or goes meanwhile. It is taken into INDEX video by video, each there whole or not at all, and
removed when all of it has arrived; a merge that was interrupted goes on with the next.
"""

import logging
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from coview.collection.about import ABOUT
from coview.collection.added import Added
from coview.collection.file_identity import shown_path, stored_path
from coview.collection.store import NewVideo, Store, VideoFacts, VideoRow

log = logging.getLogger(__name__)

PARTS = "parts"
_AT_ONCE = 64


def is_in_share(video_id: str, share: int, shares: int) -> bool:
    """Say whether a video belongs to a share, counted from 1."""
    return zlib.crc32(video_id.encode("utf-8", "surrogatepass")) % shares == share - 1


def part_folder(folder: Path, share: int, shares: int) -> Path:
    """Return the folder of a share, counted from 1, of the index in a folder."""
    return folder / PARTS / f"{share}of{shares}"


def list_parts(folder: Path) -> list[Path]:
    """Return the folders of shares that wait to be taken into the index of a folder."""
    return sorted(path.parent for path in (folder / PARTS).glob(f"*of*/{ABOUT}"))


def remove_part(part: Path) -> None:
    """Remove a share that was taken in; first what makes it an index, so that half of it is never taken for one."""
    (part / ABOUT).unlink()
    shutil.rmtree(part)
    if not any(part.parent.iterdir()):
        part.parent.rmdir()


def take_in(store: Store, other: Store, *, folder: Path, other_folder: Path) -> Added:
    """Copy what another index of the same run holds into a store that is held for writing.

    A video that the store has, ready and of the same file, stays as it is; one of another state of the file is
    replaced. Fields and labels are not taken along.

    Args:
        store: where to.
        other: where from.
        folder: of the one.
        other_folder: of the other; paths are kept relative to an index.

    Raises:
        UserError: vectors are damaged, or the disk refuses.
    """

    def moved(path: str) -> str:
        return stored_path(shown_path(path, other_folder), folder) if path else ""

    done = Added()
    for rows in _some(other.rows(), _AT_ONCE):
        facts = [replace(row.facts, path=moved(row.facts.path), source=moved(row.facts.source)) for row in rows]
        known = {row.facts.path: row for row in store.rows(path=[one.path for one in facts])}
        new = []
        for row, one in zip(rows, facts, strict=True):
            before = known.get(one.path)
            if before is not None and _is_as_good(before.facts, one):
                done += Added(unchanged=1) if one.status == "ready" else Added(failed=((one.path, one.reason),))
                continue
            if before is not None:
                one = replace(one, id=before.facts.id)
            vectors = other.get(row.number) if row.num_windows else None
            new.append(NewVideo(one, vectors, replaces=None if before is None else before.number))
            if one.status != "ready":
                done += Added(failed=((one.path, one.reason),))
            else:
                done += Added(added=1) if before is None else Added(changed=1)
        if new:
            store.add(new)
    return done


def _is_as_good(before: VideoFacts, other: VideoFacts) -> bool:
    is_same = (before.size, before.content) == (other.size, other.content)
    return is_same and (before.status == "ready" or other.status != "ready")


def _some(rows: Sequence[VideoRow], count: int) -> Iterator[Sequence[VideoRow]]:
    for at in range(0, len(rows), count):
        yield rows[at : at + count]
