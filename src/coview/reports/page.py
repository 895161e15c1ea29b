"""`report.html`: everything about a run in one file that needs nothing else."""

import base64
import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from coview import __version__
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.files import as_path, write_text
from coview.reports import analysis_sections, sections
from coview.reports.charts import number
from coview.reports.facts import RunFacts, gather
from coview.reports.maps import thumbnails
from coview.reports.overview import overview
from coview.reports.pictures import Album
from coview.reports.words import counted, duration, interval_text, score_text, shown_path
from coview.views.opened import open_views
from coview.wording import without_folders

logger = logging.getLogger(__name__)

FILE_NAME = "report.html"
POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'unsafe-inline'; img-src data:; media-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""What a browser lets the page do: run its own script and nothing else, load nothing."""


def write_report(
    run: Run | Path | str, data: PreparedDataset | Path | str | None = None, *, full_paths: bool = False
) -> Path:
    """Write RUN/report.html from whatever the run's folder holds so far.

    A page is made to be shared: it names folders, not where they lie, and nothing in it runs but its own script.

    Args:
        run: a run or its folder; training may be unfinished, evaluations and labels may be absent.
        data: where pictures come from; not given: the data the run learnt from, if it is still there.
        full_paths: write where run and data lie on this machine.

    Returns:
        The file.

    Raises:
        TypeError: `run` or `data` is nothing of that.
        UserError: no run there, or the file cannot be written.
    """
    facts = gather(run.path if isinstance(run, Run) else as_path(run, name="run", what="a Run or its folder"))
    album, why_no_pictures = _album(facts, None if data is None else PreparedDataset.open(data))
    path = facts.path / FILE_NAME
    write_text(path, render(facts, album, why_no_pictures=why_no_pictures, full_paths=full_paths))
    return path


def render(facts: RunFacts, album: Album | None, *, why_no_pictures: str = "", full_paths: bool = False) -> str:
    """Return the page."""
    shorten: Callable[[Any], Any] = (lambda given: given) if full_paths else without_folders
    facts = replace(facts, warnings=shorten(list(facts.warnings)))
    analyses = analysis_sections.analyses(facts)
    groups, videos = analysis_sections.neighbour_groups(facts, album), sections.gallery(facts, album)
    pictures = sections.all_pictures(groups, videos)
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(_own_file),
    )
    data = shown_path(album.data.root if album else Path(facts.resolved["data"]["root"]), full=full_paths)
    run = shown_path(facts.path, full=full_paths)
    script = _own_file("report.js")
    num_labelled = sum(entry.label is not None for entry in album.data.ready) if album else None
    return environment.get_template("report.html.j2").render(
        facts=facts,
        first=overview(facts, run=run, data=data, num_labelled=num_labelled),
        run_folder=run,
        policy=POLICY.format(script=_hash_of(f"\n{script}\n")),
        evaluations=sections.evaluations(facts),
        protocols_left=analysis_sections.protocols_left(facts),
        analyses=analyses,
        thumbnails=thumbnails(facts.analyses),
        analyses_left=analysis_sections.analyses_left(facts, num_labelled=num_labelled),
        data_folder=data,
        album_name=album.data.name if album else "",
        num_labelled=num_labelled,
        groups=groups,
        is_judged=any(one["is_right"] is not None for one in analysis_sections.neighbours_in(groups)),
        videos=videos,
        pictures=pictures,
        class_of={picture: name for name, picture in pictures.items()},
        stages=[(stage, sections.stage_charts(stage)) for stage in facts.stages],
        what_ran=shorten(sections.what_ran_table(facts, data_folder=data)),
        data=shorten(sections.data_counts(facts, album)),
        settings=shorten(sections.settings_text(facts)),
        why_no_pictures=shorten(why_no_pictures or "; ".join((album.failures if album else [])[:3])),
        counted=counted,
        number=number,
        score_text=score_text,
        interval_text=interval_text,
        options_text=sections.options_text,
        duration=duration,
        version=__version__,
        now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(_own_file("report.css")),
        script=Markup(script),
    )


def _album(facts: RunFacts, data: PreparedDataset | None) -> tuple[Album | None, str]:
    """Return where pictures come from, or why there are none."""
    try:
        data = data or PreparedDataset.open(Path(facts.resolved["data"]["root"]))
        names = dict.fromkeys(["rgb", *facts.config["views"]])
        stored = [name for name in names if name in data.view_options]
        return Album(data, open_views(data.view_options, stored)), ""
    except UserError as error:
        logger.warning("the report goes without pictures: %s", error)
        return None, str(error)


def _hash_of(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _own_file(name: str) -> str:
    return resources.files("coview.reports").joinpath(name).read_text(encoding="utf-8")
