"""FiftyOne's temporal detections: labels.json of a FiftyOneTemporalDetectionDataset, or samples.json of a data set.

labels.json names a video by its path without the ending, and a moment by "timestamps" in seconds or by "support", its
first and last frame counted from 1. What FiftyOne has no field for (whole videos, who, when) is written as attributes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from coview.collection.labels.label import NONE, Label
from coview.collection.labels.matching import Entry
from coview.collection.store import VideoFacts
from coview.errors import UserError


def recognises(values: Any) -> bool:
    """Whether it looks like this format."""
    if not isinstance(values, Mapping):
        return False
    return isinstance(values.get("labels"), Mapping) or isinstance(values.get("samples"), list)


def read(values: Any) -> list[Entry]:
    """Return a label a detection."""
    if isinstance(values.get("samples"), list):
        return [entry for number, sample in enumerate(values["samples"]) for entry in _of_sample(sample, number)]
    names = values.get("classes")
    found = []
    for video, detections in values["labels"].items():
        for number, one in enumerate(detections or []):
            place = f"labels of {video!r}, number {number + 1}"
            target = one["label"]
            if isinstance(target, int) and names is not None:
                if not 0 <= target < len(names):
                    raise UserError(f"{place}: class {target}, but the file names {len(names)}")
                target = names[target]
            found.append(_entry(one, video, str(target), place))
    return found


def _of_sample(sample: Mapping[str, Any], number: int) -> Iterator[Entry]:
    rate = (sample.get("metadata") or {}).get("frame_rate")
    for name, value in sample.items():
        if not isinstance(value, Mapping) or value.get("_cls") not in ("TemporalDetections", "TemporalDetection"):
            continue
        for at, one in enumerate(value.get("detections", [value])):
            place = f"sample {number + 1}, {name}, number {at + 1}"
            yield _entry(one, sample["filepath"], str(one["label"]), place, fps=rate)


def _entry(one: Mapping[str, Any], video: str, name: str, place: str, fps: float | None = None) -> Entry:
    classes = () if name == NONE else (name,)
    more = {key: _plain(value) for key, value in (one.get("attributes") or {}).items()}
    said = str(more.get("who", "")), str(more.get("made_at", ""))
    if more.get("whole_video") is True:
        return Entry(place, video, classes, None, None, None, *said)
    if "timestamps" in one:
        start, end = map(float, one["timestamps"])
        return Entry(place, video, classes, start, end, None, *said)
    if "support" not in one:
        raise UserError(f"{place}: neither timestamps nor support")
    first, last = map(float, one["support"])
    return Entry(place, video, classes, None, None, (first, last), *said, fps)


def _plain(value: Any) -> Any:
    """Return the value of an attribute, which FiftyOne may have wrapped."""
    return value.get("value") if isinstance(value, Mapping) else value


def write(labels: Sequence[Label], names: Mapping[str, str], facts: Mapping[int, VideoFacts]) -> dict[str, Any]:
    """Return what labels.json says. Names of classes stand in the labels themselves."""
    stems = Counter(str(PurePosixPath(name).with_suffix("")) for name in set(names.values()))
    videos: dict[str, list[dict[str, Any]]] = {}
    for label in labels:
        name = names[label.path]
        stem = str(PurePosixPath(name).with_suffix(""))
        more: dict[str, Any] = {"who": label.who, "made_at": label.made_at}
        if label.is_whole:
            known = None if label.video is None else facts[label.video].duration_seconds
            times, more["whole_video"] = [0.0, known or 0.0], True
        else:
            times = list(label.span)
        videos.setdefault(stem if stems[stem] == 1 else name, []).extend(
            {"label": one, "timestamps": times, "attributes": more} for one in label.classes or (NONE,)
        )
    return {"labels": videos}
