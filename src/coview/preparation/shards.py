"""A prepared data set -> tar files of a few hundred megabytes, in a folder or in object storage, and their index."""

import io
import json
import random
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from coview.config import write_yaml
from coview.config.yaml_files import read_yaml
from coview.datasets.prepared import INFO_NAME, MANIFEST_NAME, PreparedDataset
from coview.datasets.sealed_table import write_sealed
from coview.datasets.shards import FOLDER, INDEX_NAME, Member, shard_table
from coview.datatypes import ProgressSink, VideoEntry
from coview.errors import UserError
from coview.files import as_path, atomic_path, disk_errors, hash_file, make_folder, read_json, write_json
from coview.locks import folder_lock
from coview.remote import is_remote, send
from coview.views import VIEWS

_WORK, _LOCK = ".shards", ".shards.lock"


def write_shards(
    data: PreparedDataset | Path | str,
    out: Path | str,
    *,
    place: str | None = None,
    shard_megabytes: int = 256,
    seed: int = 0,
    progress: ProgressSink | None = None,
) -> PreparedDataset:
    """Write the stored views of a data set as tar files; what an earlier, interrupted call finished is kept.

    The result is a prepared data set itself: training, embedding and evaluation take its folder, whose tars may lie
    elsewhere. Videos are dealt out in a random order, so that a loader that streams the tars sees them mixed.

    Args:
        data: a prepared data set or its folder.
        out: a new folder: index, manifest and, unless `place` is given, the tars.
        place: address of a folder for the tars, such as "s3://bucket/clips", through fsspec.
        shard_megabytes: a tar is closed once it holds as many.
        seed: of the order.
        progress: told (videos done, videos in all, amounts).

    Raises:
        UserError: `out` is of another data set or cannot be written, `place` is no address, or a stored file is gone
            or damaged.
    """
    data, out = PreparedDataset.open(data), as_path(out, name="out", what="the folder of the shards")
    if data.shards is not None:
        raise UserError(f"{data.root} is in shards already; give the data set that they were made of")
    if out.resolve() == data.root.resolve():
        raise UserError(f"{out} is the data set itself; give another folder for its shards")
    if place is not None:
        place = place.rstrip("/")
        if not is_remote(place):
            raise UserError(f"place is {place!r}, expected an address such as s3://bucket/clips, or none for {out}")
    make_folder(out)
    about = {
        "of": data.name,
        "videos": hash_file(data.root / MANIFEST_NAME),
        "seed": seed,
        "shard_megabytes": shard_megabytes,
        "place": place or FOLDER,
    }
    with disk_errors(out), folder_lock(out / _LOCK, otherwise=f"another command writes shards into {out}"):
        if _is_done(out, about):
            (out / _LOCK).unlink()
            return PreparedDataset.open(out)
        data.require_files(data.view_options)
        rows: dict[tuple[str, str], Member] = {}
        entries = list(data.ready)
        random.Random(seed).shuffle(entries)
        done = 0
        for number, part in enumerate(_parts(data, entries, shard_megabytes * 10**6)):
            rows |= _one_shard(data, part, out, f"{number:06d}.tar", place)
            done += len(part)
            if progress is not None:
                progress(done, len(entries), {"shards": number + 1})
        write_sealed(shard_table(rows, place or FOLDER), out / INDEX_NAME)
        shutil.copyfile(data.root / MANIFEST_NAME, out / MANIFEST_NAME)
        write_yaml(out / INFO_NAME, {**data.info, "shards": about}, is_sealed=True)
        shutil.rmtree(out / _WORK)
        (out / _LOCK).unlink()
    return PreparedDataset.open(out)


def _is_done(out: Path, about: dict[str, Any]) -> bool:
    """Say whether a folder holds these shards already; one that is new, or where they were begun, is noted as theirs.

    Raises:
        UserError: it holds something else, or was begun with other videos or settings.
    """
    begun = out / _WORK / "about.json"
    if (out / INFO_NAME).is_file():
        if read_yaml(out / INFO_NAME).get("shards") != about:
            raise UserError(f"{out} holds another data set, or other shards; give a new folder")
        shutil.rmtree(out / _WORK, ignore_errors=True)
        return True
    if begun.is_file() and read_json(begun) != about:
        raise UserError(f"{out} was begun with other videos or settings ({read_json(begun)}); give a new folder")
    if not begun.is_file() and any(path.name != _LOCK for path in out.iterdir()):
        raise UserError(f"{out} is not empty and holds no shards; give a new folder")
    write_json(begun, about)
    return False


def _files(data: PreparedDataset, entry: VideoEntry) -> Iterator[tuple[str, Path]]:
    for view in data.view_options:
        yield view, data.view_path(view, entry.id, VIEWS.load(view).suffix)


def _parts(data: PreparedDataset, entries: Sequence[VideoEntry], most_bytes: int) -> Iterator[list[VideoEntry]]:
    """Yield the videos of each tar."""
    part: list[VideoEntry] = []
    size = 0
    for entry in entries:
        part.append(entry)
        size += sum(path.stat().st_size for _, path in _files(data, entry))
        if size >= most_bytes:
            yield part
            part, size = [], 0
    if part:
        yield part


def _one_shard(
    data: PreparedDataset, part: Sequence[VideoEntry], out: Path, name: str, place: str | None
) -> dict[tuple[str, str], Member]:
    """Write one tar, unless it is there from before; return where its files lie."""
    noted = out / _WORK / f"{name}.json"
    if noted.is_file():
        return {(view, video): Member(name, offset, size) for view, video, offset, size in read_json(noted)["members"]}
    if place is None:
        with atomic_path(out / FOLDER / name) as aside:
            members = _write_tar(data, part, aside)
    else:
        aside = out / _WORK / name
        members = _write_tar(data, part, aside)
        send(aside, f"{place}/{name}")
        aside.unlink()
    write_json(noted, {"members": members})
    return {(view, video): Member(name, offset, size) for view, video, offset, size in members}


def _write_tar(data: PreparedDataset, part: Sequence[VideoEntry], path: Path) -> list[tuple[str, str, int, int]]:
    """Write the files of some videos; return (view, video id, offset, size) of each stored one."""
    names: dict[str, tuple[str, str]] = {}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry in part:
            sample = _sample_name(entry.id)
            for view, stored in _files(data, entry):
                content = data.sound_path(view, entry, stored.suffix).read_bytes()
                name = f"{sample}.{view}{stored.suffix}"
                names[name] = view, entry.id
                _add(tar, name, content)
            about = {"id": entry.id, "label": entry.label, "group": entry.group, "splits": dict(entry.splits)}
            _add(tar, f"{sample}.json", json.dumps(about).encode())
    with tarfile.open(path, "r:") as tar:
        return [(*names[member.name], member.offset_data, member.size) for member in tar if member.name in names]


def _sample_name(video_id: str) -> str:
    """Return an id as the name of a WebDataset sample, which ends at the first point after its folders."""
    folder, slash, base = video_id.rpartition("/")
    return f"{folder}{slash}{base.replace('%', '%25').replace('.', '%2E')}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
