"""Figures of an analysis, drawn once, as SVG for pages and PNG for papers; matplotlib is imported when one is drawn.

In the SVG, text and lines take the colour of the page around it (black where there is none), so that one file reads on
light and on dark; colours of data are chosen to stand out from both. The PNG has a white ground.
"""

import base64
import colorsys
import hashlib
import html
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

INK = "#1d1f23"
"""Colour of text and lines in the PNG; in the SVG it becomes the page's own."""
TONES = ("#3b82d6", "#d9722e", "#2f9e63", "#9a68d0", "#c2498b", "#8a8f2a", "#3fa7b5", "#b0574b", "#7a7f8c", "#d2a106")
"""Colours of series and classes, in order; each stands out from white and from black."""
RAMP = ("#f7f5f0", "#9ec3e6", "#3b82d6", "#174e94", "#0b2447")
"""Colours of a heatmap, from the smallest value to the largest."""
DOTS_PER_INCH = 144
LINE, TITLE_LINE = 124, 82
"""Characters of a line of the caption and of the title in a figure of 8 inches."""


@dataclass(frozen=True)
class Figure:
    """A drawn figure.

    Attributes:
        name: part of its file name, "" where an analysis has but one ("rgb", "mean-of-views").
        title: what it shows.
        caption: of which data, view, run and settings; stands on the figure too.
        svg: an SVG element that is also a file: its text and lines are currentColor.
        png: a PNG file on white.
    """

    name: str
    title: str
    caption: str
    svg: str
    png: bytes

    def embedded(self) -> str:
        """Return an HTML element that shows it, needs nothing else and is the smaller of the two."""
        if not self.png or len(self.svg) <= len(self.png) * 4 / 3:
            return self.svg
        data = base64.b64encode(self.png).decode("ascii")
        return f'<img class="figure" alt="{html.escape(self.title, quote=True)}" src="data:image/png;base64,{data}">'


def draw(name: str, *, title: str, caption: str, size: tuple[float, float], paint: Callable[[Any], None]) -> Figure:
    """Draw a figure.

    Args:
        name: see `Figure`.
        title: see `Figure`; stands above.
        caption: see `Figure`; stands below.
        size: width and height in inches.
        paint: given a `matplotlib.figure.Figure` with constrained layout, to add axes and draw into them.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(_theme()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box in the picture; the drawing keeps the letter
        canvas = Canvas(figsize=size, layout="constrained")
        canvas.suptitle(
            "\n".join(textwrap.wrap(title, max(30, round(TITLE_LINE * size[0] / 8)))),
            x=0.01,
            ha="left",
            fontsize=10.5,
            fontweight="bold",
        )
        lines = textwrap.wrap(caption, max(40, round(LINE * size[0] / 8)))
        canvas.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5)
        paint(canvas)
        vector, pixels = io.StringIO(), io.BytesIO()
        canvas.savefig(vector, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        canvas.savefig(pixels, format="png", dpi=DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
    return Figure(name, title, caption, _for_pages(vector.getvalue(), text=f"{title}. {caption}"), pixels.getvalue())


def ramp() -> Any:
    """Return the colour map of heatmaps; what is no number is grey."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("coview", RAMP).with_extremes(bad="#b8b4ab")


def class_colours(groups: Iterable[str]) -> dict[str, str]:
    """Return name -> "#rrggbb" of the names that occur, sorted; what has no label comes last, in grey.

    Numbers sort as numbers: "cluster 2" comes before "cluster 10".
    """
    names = sorted({*groups} - {"no label"}, key=lambda name: [int(p) if p.isdigit() else p for p in _parts(name)])
    if len(names) <= len(TONES):
        shades = list(TONES[: len(names)])
    else:
        turns = [(place / len(names), 0.5 + 0.13 * (place % 3 - 1)) for place in range(len(names))]
        shades = [_hex(colorsys.hls_to_rgb(turn, light, 0.62)) for turn, light in turns]
    found = dict(zip(names, shades, strict=True))
    return {**found, "no label": "#8d8d8d"} if "no label" in {*groups} else found


def _parts(name: str) -> list[str]:
    """Return a name cut into texts and numbers in turn, a text first, so that any two can be compared."""
    return re.split(r"([0-9]+)", name)


def _hex(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def file_word(name: str) -> str:
    """Return a name as part of a file name: "mean of views" -> "mean-of-views"."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.") or "figure"


def _theme() -> dict[str, Any]:
    """Return matplotlib's settings."""
    inks = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor")
    return {
        **dict.fromkeys(inks, INK),
        "svg.fonttype": "none",  # text stays text: small, found by search, read aloud
        "svg.hashsalt": "coview",
        "font.family": ["DejaVu Sans", "sans-serif"],
        "font.size": 8.5,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "axes.facecolor": "none",
        "legend.frameon": False,
        "legend.fontsize": 8,
        "image.interpolation": "none",
    }


def _for_pages(svg: str, *, text: str) -> str:
    """Make a drawing fit to stand inside any page: its colours, and neither styles nor names that reach beyond it."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    label = html.escape(text, quote=True)
    opening = f'<svg class="figure" role="img" aria-label="{label}" style="stroke-linejoin:round;stroke-linecap:butt"'
    body = opening + body.removeprefix("<svg")
    body = re.sub(re.escape(INK), "currentColor", body, flags=re.IGNORECASE)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    prefix = hashlib.sha256(body.encode()).hexdigest()[:8]

    def renamed(match: re.Match[str]) -> str:
        return f' id="{prefix}-{match[1]}"' if match[1] in used else ""

    body = re.sub(r' id="([^"]*)"', renamed, body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", body)
    return re.sub(r"\n\s*", "\n", body).strip() + "\n"
