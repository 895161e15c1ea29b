"""Projects of the VGG Image Annotator for videos (VIA 3): moments are "metadata" with two times and no region."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coview.collection.labels.label import NONE, Label
from coview.collection.labels.matching import Entry
from coview.collection.store import VideoFacts
from coview.errors import UserError

_TEXT, _CHECKBOX = 1, 2
_CLASS, _WHO, _WHEN = "1", "2", "3"
_MOMENT = "FILE1_Z2_XY0"
_FIXED = {"who", "made_at"}
_LOCAL, _VIDEO = 1, 4


def recognises(values: Any) -> bool:
    """Whether it looks like this format."""
    return isinstance(values, Mapping) and all(
        isinstance(values.get(key), Mapping) for key in ("attribute", "file", "metadata")
    )


def read(values: Any) -> list[Entry]:
    """Return the labels; every attribute with options names classes. Boxes and other regions are left out."""
    attributes: Mapping[str, Any] = values["attribute"]
    videos = {
        vid: values["file"][str(view["fid_list"][0])]["fname"] for vid, view in (values.get("view") or {}).items()
    }
    found = []
    for key, one in values["metadata"].items():
        if one.get("xy"):
            continue
        place = f"metadata {key!r}"
        vid = str(one["vid"])
        if vid not in videos:
            raise UserError(f"{place}: the project has no view {vid!r}")
        found += list(_of_metadata(one, videos[vid], attributes, place))
    return found


def _of_metadata(one: Mapping[str, Any], video: str, attributes: Mapping[str, Any], place: str) -> Iterator[Entry]:
    times = [float(seconds) for seconds in one.get("z", [])]
    if len(times) not in (0, 2):
        return
    span: tuple[float | None, float | None] = (times[0], times[1]) if times else (None, None)
    given = {attributes[key]["aname"]: value for key, value in one["av"].items() if key in attributes}
    said = str(given.get("who", "")), str(given.get("made_at", ""))
    for key, value in one["av"].items():
        if key not in attributes:
            raise UserError(f"{place}: the project has no attribute {key!r}")
        kind, options = int(attributes[key]["type"]), attributes[key].get("options") or {}
        if kind == _TEXT:
            if attributes[key]["aname"] in _FIXED or not value:
                continue
            names = [str(value)]
        else:
            chosen = [part for part in str(value).split(",") if part]
            unknown = [part for part in chosen if part not in options]
            if unknown:
                raise UserError(f"{place}: the attribute {attributes[key]['aname']!r} has no option {unknown[0]!r}")
            names = [options[part] for part in chosen]
        for name in names:
            yield Entry(place, video, () if name == NONE else (name,), *span, None, *said)


def write(labels: Sequence[Label], names: Mapping[str, str], facts: Mapping[int, VideoFacts]) -> dict[str, Any]:
    """Return a project that VIA opens; videos are found when its user locates their folder."""
    classes = sorted({name for label in labels for name in label.classes or (NONE,)})
    option = {name: str(number) for number, name in enumerate(classes)}
    numbers = {name: str(number) for number, name in enumerate(dict.fromkeys(names.values()), start=1)}
    metadata = {}
    for number, label in enumerate(labels):
        vid = numbers[names[label.path]]
        ticked = ",".join(option[name] for name in label.classes or (NONE,))
        values = {_CLASS: ticked, _WHO: label.who, _WHEN: label.made_at}
        times = [] if label.is_whole else list(label.span)
        metadata[f"{vid}_{number:06d}"] = {"vid": vid, "flg": 0, "z": times, "xy": [], "av": values}
    files = {
        key: {"fid": key, "fname": name, "type": _VIDEO, "loc": _LOCAL, "src": name} for name, key in numbers.items()
    }
    return {
        "project": {
            "pid": "__VIA_PROJECT_ID__",
            "rev": "__VIA_PROJECT_REV_ID__",
            "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
            "pname": "coview",
            "creator": "coview",
            "created": 0,
            "vid_list": list(files),
        },
        "config": {"file": {"loc_prefix": {str(kind): "" for kind in range(1, 5)}}, "ui": {}},
        "attribute": {
            _CLASS: _attribute("class", _MOMENT, _CHECKBOX, {key: name for name, key in option.items()}),
            _WHO: _attribute("who", _MOMENT, _TEXT, {}),
            _WHEN: _attribute("made_at", _MOMENT, _TEXT, {}),
        },
        "file": files,
        "metadata": metadata,
        "view": {key: {"fid_list": [key]} for key in files},
    }


def _attribute(name: str, anchor: str, kind: int, options: Mapping[str, str]) -> dict[str, Any]:
    return {
        "aname": name,
        "anchor_id": anchor,
        "type": kind,
        "desc": "",
        "options": dict(options),
        "default_option_id": "",
    }
