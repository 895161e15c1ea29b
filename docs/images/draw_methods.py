"""The pictures of the methods, as SVG: python docs/images/draw_methods.py [FOLDER] writes cocon, vicc and joint."""

import itertools
import sys
from pathlib import Path

INK, QUIET = "#2d3748", "#a0aec0"
VIEWS = {"rgb": "#2b6cb0", "flow": "#c05621"}


def box(
    x: float, y: float, text: str, colour: str, *, width: float = 76, height: float = 34, fill: str = "#fff"
) -> str:
    """Return a rounded box with its middle at (x, y)."""
    return (
        f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" height="{height:g}" rx="6" '
        f'fill="{fill}" stroke="{colour}" stroke-width="1.6"/>{word(x, y, text, colour)}'
    )


def word(x: float, y: float, text: str, colour: str = INK, *, size: int = 13, anchor: str = "middle") -> str:
    """Return a text with its middle at (x, y)."""
    return (
        f'<text x="{x:g}" y="{y + size / 3:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{text}</text>'
    )


def arrow(
    x1: float, y1: float, x2: float, y2: float, colour: str = INK, *, dashed: bool = False, both: bool = False
) -> str:
    """Return an arrow."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    start = ' marker-start="url(#head)"' if both else ""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="1.5"{dash}'
        f' marker-end="url(#head)"{start}/>'
    )


def page(width: int, height: int, title: str, parts: list[str]) -> str:
    """Return a whole SVG."""
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            'font-family="system-ui, sans-serif">',
            f'<title>{title}</title>{head}<rect width="{width}" height="{height}" fill="#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def cocon() -> str:
    """Each view predicts its own future blocks, and the views agree on which clips are alike."""
    parts = [word(x, 18, text, QUIET) for x, text in ((160, "past blocks"), (352, "memory"), (550, "future block"))]
    for row, (view, colour) in enumerate(VIEWS.items()):
        y = 66 + 150 * row
        parts.append(word(14, y, view, colour, anchor="start"))
        for n in range(3):
            parts.append(box(90 + 70 * n, y, f"z{n + 1}", colour, width=48))
        parts += [arrow(90 + 70 * n + 24, y, 136 + 70 * n, y) for n in range(2)]
        parts += [box(352, y, "ConvGRU g", colour, width=92), arrow(256, y, 304, y), arrow(398, y, 440, y)]
        parts += [box(480, y, "guess", colour), box(620, y, "z4", colour, width=48), arrow(518, y, 594, y, both=True)]
        parts.append(word(556, y - 12, "L_cpc", colour, size=12))
    parts += [
        arrow(620, 84, 620, 198, dashed=True, both=True),
        word(612, 141, "L_sync: alike here, alike there", anchor="end"),
    ]
    parts += [
        arrow(90, 84, 90, 198, dashed=True, both=True),
        word(100, 141, "L_sim: same block near, others far", anchor="start"),
    ]
    return page(680, 250, "CoCon: each view predicts its future, and views agree on what is alike", parts)


def vicc() -> str:
    """Four clips of a video, prototypes, and who predicts whose assignment."""
    parts = [
        word(x, 18, text, QUIET)
        for x, text in ((100, "clips"), (250, "features"), (420, "prototypes"), (590, "shares"))
    ]
    places = []
    for row, (view, colour) in enumerate(VIEWS.items()):
        for time in range(2):
            y = 56 + 56 * (2 * row + time)
            places.append((y, colour))
            parts += [box(100, y, f"{view}, time {time + 1}", colour, width=112), arrow(156, y, 220, y)]
            parts += [box(250, y, "z", colour, width=48), arrow(274, y, 364, 140)]
            parts += [arrow(476, 140, 546, y), box(590, y, "q", colour, width=76)]
    parts.append(f'<circle cx="420" cy="140" r="54" fill="#f7fafc" stroke="{INK}" stroke-width="1.6"/>')
    parts += [
        f'<circle cx="{420 + dx}" cy="{140 + dy}" r="4" fill="{INK}"/>'
        for dx, dy in ((-24, -18), (8, -30), (28, 4), (-4, 22), (-30, 14))
    ]
    parts.append(word(420, 146 + 64, "c1 ... cK", INK, size=12))
    parts.append(
        word(340, 262, "each clip's share q, the same for all prototypes on average, is predicted by the other three z")
    )
    return page(680, 284, "ViCC: clips of two streams predict each other's assignment to prototypes", parts)


def joint() -> str:
    """All clips of one video find each other; those of other videos are wrong answers."""
    parts = [word(170, 20, "video A", INK), word(510, 20, "other videos of the batch", QUIET)]
    clips = {}
    for row, (view, colour) in enumerate(VIEWS.items()):
        for time in range(2):
            clips[view, time] = (90 + 160 * time, 80 + 110 * row, colour)
    ordered = [("rgb", 0), ("rgb", 1), ("flow", 1), ("flow", 0)]
    for a, b in itertools.combinations(ordered, 2):
        (x1, y1, _), (x2, y2, _) = clips[a], clips[b]
        far = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        dx, dy = 44 * (x2 - x1) / far, 30 * (y2 - y1) / far
        parts.append(arrow(x1 + dx, y1 + dy, x2 - dx, y2 - dy, both=True))
    parts += [box(x, y, f"{view}, t{time + 1}", colour) for (view, time), (x, y, colour) in clips.items()]
    for n, name in enumerate("BCD"):
        for row, view in enumerate(VIEWS):
            parts.append(box(430 + 86 * n, 80 + 110 * row, f"{name} {view}", QUIET, width=70))
    parts += [arrow(300, 135, 384, 135, QUIET, dashed=True), word(342, 122, "apart", QUIET, size=12)]
    parts.append(word(340, 236, "time, view or both may differ: every clip of a video finds every other one"))
    return page(680, 258, "joint: every clip of a video finds every other one, in any view", parts)


def main(folder: Path) -> None:
    """Write the pictures."""
    for draw in (cocon, vicc, joint):
        (folder / f"{draw.__name__}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
