"""Drawings fit for a page: of an SVG file, only shapes, text and embedded pictures; nothing that runs or loads.

A run may be a stranger's, and a figure in its folder is data: what is not on these lists is left out.
"""

import hashlib
import html
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

_SHAPES = re.compile(
    r"svg|g|defs|path|rect|circle|ellipse|line|polyline|polygon|text|tspan|title|desc|clipPath|use|image"
    r"|linearGradient|radialGradient|stop|marker"
)
_STYLES = re.compile(
    r"fill|fill-opacity|fill-rule|stroke|stroke-dasharray|stroke-dashoffset|stroke-linecap|stroke-linejoin"
    r"|stroke-miterlimit|stroke-opacity|stroke-width|opacity|color|clip-path|clip-rule|font|font-family"
    r"|font-size|font-style|font-variant|font-weight|font-stretch|text-anchor|dominant-baseline|letter-spacing"
    r"|image-rendering|mix-blend-mode|stop-color|stop-opacity"
)
_PLACES = re.compile(
    r"d|x|y|x1|y1|x2|y2|cx|cy|r|rx|ry|dx|dy|fx|fy|width|height|points|viewBox|transform|preserveAspectRatio"
    r"|role|aria-label|aria-hidden|offset|gradientUnits|gradientTransform|clipPathUnits|markerWidth"
    r"|markerHeight|refX|refY|orient"
)
_OWN_REFERENCE = re.compile(r"#([\w.-]+)")
_PICTURE = re.compile(r"data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=\s]*")
_RISKY = re.compile(r"url\s*\((?!#[\w.-]+\))|[\\<>@]|expression|javascript|/\*", re.IGNORECASE)
_MOST_CHARACTERS = 20_000_000
_CLASS = "figure"


def safe_drawing(svg: str) -> str:
    """Return an SVG element with what may stand in a page; "" where the text is no drawing.

    Names of its own parts get a prefix, so that they meet no other name of the page.
    """
    if len(svg) > _MOST_CHARACTERS or "<!DOCTYPE" in svg or "<!ENTITY" in svg:
        return ""
    try:
        root = ElementTree.fromstring(svg)
    except (ElementTree.ParseError, ValueError, RecursionError):
        return ""
    if _local(root.tag) != "svg":
        return ""
    prefix = f"d{hashlib.sha256(svg.encode(errors='replace')).hexdigest()[:8]}-"
    try:
        return "".join(_written(root, prefix))
    except RecursionError:
        return ""


def _written(element: ElementTree.Element, prefix: str) -> Iterator[str]:
    """Yield an element that is allowed, with what is allowed inside it."""
    tag = _local(element.tag)
    if not _SHAPES.fullmatch(tag):
        return
    kept = [pair for name, value in element.attrib.items() if (pair := _attribute(_local(name), value, prefix))]
    given = "".join(f' {name}="{html.escape(value, quote=True)}"' for name, value in kept)
    if not len(element) and not (element.text or "").strip():
        yield f"<{tag}{given}/>"
        return
    yield f"<{tag}{given}>"
    yield html.escape(element.text or "", quote=False)
    for child in element:
        yield from _written(child, prefix)
        yield html.escape(child.tail or "", quote=False)
    yield f"</{tag}>"


def _attribute(name: str, value: str, prefix: str) -> tuple[str, str] | None:
    """Return an attribute as it may stand in the page, None where it may not."""
    if name == "id":
        return name, prefix + re.sub(r"[^\w.-]", "-", value)
    if name == "class":
        return (name, value) if value == _CLASS else None
    if name == "href":
        own = _OWN_REFERENCE.fullmatch(value)
        if own:
            return name, f"#{prefix}{own[1]}"
        return (name, value) if _PICTURE.fullmatch(value) else None
    if name == "style":
        parts = [part.strip().partition(":") for part in value.split(";") if ":" in part]
        kept = [
            f"{key.strip()}:{text}"
            for key, _, text in parts
            if _STYLES.fullmatch(key.strip()) and not _RISKY.search(text)
        ]
        return (name, _renamed(";".join(kept), prefix)) if kept else None
    if _STYLES.fullmatch(name):
        return None if _RISKY.search(value) else (name, _renamed(value, prefix))
    return (name, value) if _PLACES.fullmatch(name) else None


def _renamed(text: str, prefix: str) -> str:
    return re.sub(r"url\(#", f"url(#{prefix}", text)


def _local(name: object) -> str:
    """Return a name without its namespace; "" for comments and instructions, whose tag is a function."""
    return name.rpartition("}")[2] if isinstance(name, str) else ""
