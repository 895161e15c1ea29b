"""`report.html`: everything about a run in one file that needs nothing else."""

import logging
import os
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from coview import __version__
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.files import as_path
from coview.reports import analysis_sections, sections
from coview.reports.charts import number
from coview.reports.facts import RunFacts, gather
from coview.reports.maps import thumbnails
from coview.reports.overview import overview
from coview.reports.pictures import Album
from coview.reports.words import counted, duration, score_text
from coview.views.opened import open_views

logger = logging.getLogger(__name__)

FILE_NAME = "report.html"


def write_report(run: Run | Path | str, data: PreparedDataset | Path | str | None = None) -> Path:
    """Write RUN/report.html from whatever the run's folder holds so far.

    Args:
        run: a run or its folder; training may be unfinished, evaluations and labels may be absent.
        data: where pictures come from; not given: the data the run learnt from, if it is still there.

    Returns:
        The file.

    Raises:
        TypeError: `run` or `data` is nothing of that.
        UserError: no run there, or the file cannot be written.
    """
    facts = gather(run.path if isinstance(run, Run) else as_path(run, name="run", what="a Run or its folder"))
    album, why_no_pictures = _album(facts, None if data is None else PreparedDataset.open(data))
    path = facts.path / FILE_NAME
    aside = path.with_name(f".{FILE_NAME}.{os.getpid()}.tmp")
    try:
        aside.write_text(render(facts, album, why_no_pictures=why_no_pictures), encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error}") from error
    return path


def render(facts: RunFacts, album: Album | None, *, why_no_pictures: str = "") -> str:
    """Return the page."""
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
    data = str(album.data.root) if album else str(facts.resolved["data"]["root"])
    num_labelled = sum(entry.label is not None for entry in album.data.ready) if album else None
    return environment.get_template("report.html.j2").render(
        facts=facts,
        first=overview(facts, data=data, num_labelled=num_labelled),
        evaluations=sections.evaluations(facts),
        protocols_left=analysis_sections.protocols_left(facts),
        analyses=analyses,
        thumbnails=thumbnails(facts.analyses),
        analyses_left=analysis_sections.analyses_left(facts, num_labelled=num_labelled),
        data_folder=data,
        num_labelled=num_labelled,
        groups=groups,
        is_judged=any(one["is_right"] is not None for one in analysis_sections.neighbours_in(groups)),
        videos=videos,
        pictures=pictures,
        class_of={picture: name for name, picture in pictures.items()},
        stages=[(stage, sections.stage_charts(stage)) for stage in facts.stages],
        what_ran=sections.what_ran_table(facts),
        data=sections.data_counts(facts, album),
        settings=sections.settings_text(facts),
        why_no_pictures=why_no_pictures or "; ".join((album.failures if album else [])[:3]),
        counted=counted,
        number=number,
        score_text=score_text,
        options_text=sections.options_text,
        duration=duration,
        version=__version__,
        now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(_own_file("report.css")),
        script=Markup(_own_file("report.js")),
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


def _own_file(name: str) -> str:
    return resources.files("coview.reports").joinpath(name).read_text(encoding="utf-8")
