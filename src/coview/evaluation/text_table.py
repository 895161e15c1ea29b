"""A table of text as Markdown or LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Format = Literal["markdown", "csv", "latex"]
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {mark: f"\\{mark}" for mark in "&%$#_{}"}


@dataclass(frozen=True)
class TextTable:
    """A table to read.

    Attributes:
        title: what it shows.
        headings: of the columns.
        rows: cells as text, as many as headings; rows of the same first cell belong together.
        num_names: how many columns at the left hold names; the others hold numbers.
        note: what a reader should know.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_names: int
    note: str

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headings):
                raise ValueError(f"table {self.title!r}: {len(row)} cells for {len(self.headings)} headings: {row}")


def written(tables: Sequence[TextTable], form: Literal["markdown", "latex"]) -> str:
    """Return tables as one text that ends with a line break."""
    write = {"markdown": _markdown, "latex": _latex}[form]
    return "\n\n".join(write(table) for table in tables) + "\n"


def _markdown(table: TextTable) -> str:
    rules = ["---"] * table.num_names + ["---:"] * (len(table.headings) - table.num_names)
    lines = [f"**{table.title}**", "", _line(table.headings), _line(rules), *map(_line, table.rows)]
    return "\n".join([*lines, "", table.note])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _latex(table: TextTable) -> str:
    places = "l" * table.num_names + "r" * (len(table.headings) - table.num_names)
    lines = [f"% {table.title}", f"\\begin{{tabular}}{{{places}}}", "\\hline", _latex_line(table.headings), "\\hline"]
    before = table.rows[0][0] if table.rows else ""
    for row in table.rows:
        if row[0] != before:
            lines.append("\\hline")
        before = row[0]
        lines.append(_latex_line(row))
    return "\n".join([*lines, "\\hline", "\\end{tabular}", f"% {table.note}"])


def _latex_line(cells: Sequence[str]) -> str:
    escaped = ("".join(_LATEX.get(mark, mark) for mark in cell).replace("±", r"$\pm$") for cell in cells)
    return " & ".join(escaped) + r" \\"
