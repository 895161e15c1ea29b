"""Label Studio's JSON export: a task a video; TimelineLabels for moments, by frames counted from 1; Choices for videos.

Frames are rounded: the exact seconds, who and when are written beside them as "meta", which Label Studio keeps.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from coview.collection.labels.label import NONE, Label
from coview.collection.labels.matching import Entry
from coview.collection.store import VideoFacts
from coview.errors import UserError

_FPS = 25.0
_KEYS = ("video", "path", "url", "file_upload")


def recognises(values: Any) -> bool:
    """Whether it looks like this format."""
    if not isinstance(values, list):
        return False
    return all(isinstance(task, Mapping) and "data" in task and "annotations" in task for task in values)


def read(values: Any) -> list[Entry]:
    """Return a label a range and a choice; annotations that were skipped are left out."""
    return [entry for number, task in enumerate(values) for entry in _of_task(task, f"task {number + 1}")]


def _of_task(task: Mapping[str, Any], where: str) -> Iterator[Entry]:
    data = task["data"]
    address = next((data[key] for key in _KEYS if isinstance(data.get(key), str)), None)
    if address is None:
        raise UserError(f"{where}: its data names no video; expected one of: {', '.join(_KEYS)}")
    fps = data.get("fps")
    for number, annotation in enumerate(task["annotations"]):
        if annotation.get("was_cancelled"):
            continue
        by = annotation.get("completed_by", "")
        who = str(by.get("email", "") if isinstance(by, Mapping) else by)
        when = str(annotation.get("created_at") or "")
        for at, result in enumerate(annotation["result"]):
            place = f"{where}, annotation {number + 1}, result {at + 1}"
            yield from _of_result(result, place, _name(address), who, when, fps)


def _of_result(
    result: Mapping[str, Any], place: str, video: str, who: str, when: str, fps: float | None
) -> Iterator[Entry]:
    value, meta = result.get("value") or {}, result.get("meta") or {}
    who, when = str(meta.get("who", who)), str(meta.get("made_at", when))
    kind = result.get("type")
    if kind == "choices":
        yield from _entries(place, video, value["choices"], who, when)
    elif kind == "timelinelabels" and "start_seconds" in meta:
        span = float(meta["start_seconds"]), float(meta["end_seconds"])
        yield from _entries(place, video, value["timelinelabels"], who, when, span=span)
    elif kind == "timelinelabels":
        for one in value["ranges"]:
            frames = float(one["start"]), float(one["end"])
            yield from _entries(place, video, value["timelinelabels"], who, when, frames=frames, fps=fps)
    elif kind == "labels" and "start" in value:  # of a video shown beside its sound, in seconds
        yield from _entries(place, video, value["labels"], who, when, span=(float(value["start"]), float(value["end"])))


def _entries(
    place: str,
    video: str,
    names: Sequence[str],
    who: str,
    when: str,
    *,
    span: tuple[float | None, float | None] = (None, None),
    frames: tuple[float, float] | None = None,
    fps: float | None = None,
) -> Iterator[Entry]:
    for name in names:
        yield Entry(place, video, () if name == NONE else (name,), *span, frames, who, when, fps)


def _name(address: str) -> str:
    """Return the path of a video from the address under which Label Studio shows it."""
    found = urlsplit(address)
    if found.scheme in ("http", "https", "s3", "gs") or address.startswith("/data/"):
        given = parse_qs(found.query).get("d")
        return given[0] if given else unquote(found.path).removeprefix("/data/upload/")
    return address


def write(labels: Sequence[Label], names: Mapping[str, str], facts: Mapping[int, VideoFacts]) -> list[dict[str, Any]]:
    """Return the tasks."""
    tasks: dict[str, dict[str, Any]] = {}
    for label in labels:
        name = names[label.path]
        fps = (None if label.video is None else facts[label.video].fps) or _FPS
        task = tasks.setdefault(name, {"data": {"video": name, "fps": fps}, "annotations": [{"result": []}]})
        meta: dict[str, Any] = {"who": label.who, "made_at": label.made_at}
        classes = list(label.classes or (NONE,))
        if label.is_whole:
            result: dict[str, Any] = {"type": "choices", "from_name": "whole", "value": {"choices": classes}}
        else:
            start, end = label.span
            first = round(start * fps) + 1
            ranges = [{"start": first, "end": max(first, round(end * fps))}]
            meta |= {"start_seconds": start, "end_seconds": end}
            value = {"ranges": ranges, "timelinelabels": classes}
            result = {"type": "timelinelabels", "from_name": "moments", "value": value}
        task["annotations"][0]["result"].append(result | {"to_name": "video", "meta": meta})
    return list(tasks.values())
