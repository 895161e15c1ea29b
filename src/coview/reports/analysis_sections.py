"""What was found about a run, as plain values for the template: analyses, maps, neighbours, what is still to run."""

import base64
import html
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from coview.analysis.base import ANALYSES
from coview.analysis.figure import Figure
from coview.analysis.result import AnalysisResult
from coview.analysis.table import caption
from coview.analysis.thumbnails import jpeg_uri
from coview.datasets.prepared import PreparedDataset
from coview.evaluation import PROTOCOLS
from coview.registry import Registry
from coview.reports.drawings import safe_drawing
from coview.reports.facts import RunFacts
from coview.reports.maps import maps_of
from coview.reports.pictures import Album

NEIGHBOURS = "neighbours"
"""The key of a payload whose strips have a section of their own."""
DRAWN_BY_THE_PAGE = {NEIGHBOURS, "maps"}
"""Keys of payloads from which the page draws what the figures show: those stay files, and the page small."""
BROAD_POINTS = 440
"""A figure wider than this (six inches) needs the page's whole width."""
LARGEST_DRAWING, JPEG_QUALITY = 250_000, 80
"""Bytes up to which a figure stands on the page as it was drawn."""
LARGEST_FILM = 400_000
"""Bytes up to which a video stands inside the page."""


def analyses(facts: RunFacts) -> list[dict[str, Any]]:
    """Return each analysis with its caption, its maps and its figures, ready to be shown."""
    return [
        {
            "result": result,
            "caption": caption(result),
            "has_own_section": NEIGHBOURS in result.findings.payload,
            "maps": maps_of(result.findings.payload),
            "films": films_of(result),
            "figures": [
                {"title": figure.title, "element": Markup(element(figure)), "is_broad": is_broad(figure)}
                for figure in (() if DRAWN_BY_THE_PAGE & result.findings.payload.keys() else result.findings.figures)
            ],
            "files": Path(result.path).stem,
        }
        for result in facts.analyses
    ]


def element(figure: Figure) -> str:
    """Return what shows a figure: large ones, which hold photographs, as JPEG; "" where the file is no drawing."""
    drawing = safe_drawing(figure.svg)
    if not drawing:
        return ""
    made = replace(figure, svg=drawing).embedded()
    if len(made) <= LARGEST_DRAWING or not figure.png:
        return made
    pixels = cv2.imdecode(np.frombuffer(figure.png, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        return ""
    uri = jpeg_uri(np.asarray(pixels[..., ::-1], np.uint8), quality=JPEG_QUALITY)
    text = html.escape(f"{figure.title}. {figure.caption}", quote=True)
    return f'<img class="figure" alt="{text}" src="{uri}">'


def films_of(result: AnalysisResult) -> list[dict[str, str]]:
    """Return (title, data URI) of the small videos that an analysis wrote; one that is gone or large is left out."""
    found = []
    for film in result.findings.payload.get("videos", ()):
        path = Path(result.path).parent / Path(str(film["file"])).name  # a run's file names no file elsewhere
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_FILM:
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            found.append({"title": str(film["title"]), "uri": f"data:video/mp4;base64,{data}"})
    return found


def is_broad(figure: Figure) -> bool:
    """Whether a figure needs the whole width of the page to be read."""
    box = re.search(r'viewBox="[^ "]+ [^ "]+ ([0-9.]+)', figure.svg)
    return box is not None and float(box[1]) > BROAD_POINTS


def protocols_left(facts: RunFacts) -> list[tuple[str, str]]:
    """Return (name, what it does) of the protocols that the run has no result of."""
    return _left(PROTOCOLS, {result.protocol for result in facts.results})


def analyses_left(facts: RunFacts, *, num_labelled: int | None) -> list[tuple[str, str]]:
    """Return (name, what it does, and what it lacks) of the analyses that the run has no result of."""
    return [
        (name, f"{does} Not shown: it compares classes, and no video has a label." if lacks_labels else does)
        for name, does in _left(ANALYSES, {result.analysis for result in facts.analyses})
        for lacks_labels in (num_labelled == 0 and ANALYSES.load(name).needs_labels,)
    ]


def _left(registry: Registry[Any], done: set[str]) -> list[tuple[str, str]]:
    return [(name, (inspect.getdoc(registry.load(name)) or "").split("\n")[0]) for name in registry if name not in done]


def neighbour_groups(facts: RunFacts, album: Album | None) -> list[dict[str, Any]]:
    """Return example queries with their neighbours, a group for each view and ensemble.

    Those of the newest analysis of neighbours; without one, those of the newest evaluation that kept examples. Only
    those of the album's own data set: another one may call other videos by the same names.
    """
    if album is None:
        return []
    analysed = (one.findings.payload.get(NEIGHBOURS) for one in facts.analyses if is_of(one.data, album.data))
    scored = (one.examples for one in facts.results if is_of(one.data, album.data))
    found = next(filter(None, [*analysed, *scored]), None)
    if found is None:
        return []
    groups = []
    for name, examples in found.items():
        shown = [
            {
                **example,
                "picture": album.strip(example["id"]),
                "neighbours": [
                    {**found, "picture": album.strip(found["id"]), "is_right": _is_right(example, found)}
                    for found in example["neighbours"]
                ],
            }
            for example in examples
        ]
        groups.append({"name": name, "examples": shown})
    return groups


def is_of(described: Mapping[str, Any], data: PreparedDataset) -> bool:
    """Whether a result or an analysis is of this data set."""
    return (described.get("name"), described.get("created", "")) == (data.name, str(data.info.get("created", "")))


def neighbours_in(groups: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the neighbours of all groups' examples."""
    return [found for group in groups for example in group["examples"] for found in example["neighbours"]]


def _is_right(example: Mapping[str, Any], found: Mapping[str, Any]) -> bool | None:
    if example.get("label") is None or found.get("label") is None:
        return None
    return bool(example["label"] == found["label"])
