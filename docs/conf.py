"""How Sphinx builds the documentation: Markdown pages beside an API reference read from the docstrings."""

from typing import Any

from sphinx.application import Sphinx

import coview

project = "coview"
author = "the coview authors"
version = release = coview.__version__
html_title = f"coview {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
exclude_patterns = ["_site"]
html_theme = "furo"
html_show_sourcelink = False
html_static_path = html_css_files = ["wrap.css"]
html_theme_options = {"navigation_with_keys": True}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links out of docs/, to files of the repository

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
nitpicky = False


def show_as_written(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Turn what our docstrings have and reStructuredText has not (examples, tables, |x|) into literal blocks."""
    shown: list[str] = []
    block = None  # indent of the example we are in
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        if line.strip() == "Example:":
            block = indent
            shown += [line, "", " " * (indent + 4) + ".. code-block:: python", ""]
        elif block is not None:
            shown.append(f"    {line}" if line.strip() else line)
        elif line.lstrip().startswith("|"):
            is_first = not (shown and shown[-1].lstrip().startswith("|"))
            shown += [*(["", " " * indent + "::", ""] if is_first else []), f"    {line}"]
        else:
            after_table = bool(shown) and shown[-1].lstrip().startswith("|")
            shown += [*([""] if after_table and line.strip() else []), line.replace("|", r"\|")]
    lines[:] = shown


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; before napoleon, which reads the sections."""
    app.connect("autodoc-process-docstring", show_as_written, priority=100)
