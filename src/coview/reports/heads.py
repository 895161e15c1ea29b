"""The page of a head: how good it is on recordings that it has not seen, class by class, and whether it means it."""

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from coview import __version__
from coview.collection.heads.file import REPORT
from coview.collection.heads.head import Head
from coview.evaluation.heads import HeadQuality
from coview.evaluation.metrics.calibration import Reliability
from coview.evaluation.predicted import PredictionQuality
from coview.files import write_text
from coview.reports.charts import Series, line_chart

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def write_head_report(head: Head, quality: HeadQuality | None, folder: Path) -> Path:
    """Write HEAD/report.html; return it.

    Args:
        head: the head.
        quality: what was found of it; None where its labels are of too few recordings.
        folder: of the head.

    Raises:
        UserError: it cannot be written.
    """
    page = (
        _environment()
        .get_template("head.html.j2")
        .render(
            name=folder.resolve().name,
            run=Path(head.run["path"]).name,
            head=head,
            quality=quality,
            policy=POLICY,
            style=Markup(_own("report.css")),
            reliability=Markup("" if quality is None else reliability_chart(quality.reliability)),
            now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            version=__version__,
            share=_share,
        )
    )
    write_text(folder / REPORT, page)
    return folder / REPORT


def write_prediction_report(quality: PredictionQuality, out: Path, *, predictions: Path, truth: Path) -> Path:
    """Write what came of a comparison of predictions with the truth as a page; return it.

    Raises:
        UserError: it cannot be written.
    """
    page = (
        _environment()
        .get_template("predicted.html.j2")
        .render(
            name=predictions.name,
            truth=truth.name,
            quality=quality,
            policy=POLICY,
            style=Markup(_own("report.css")),
            reliability=Markup(reliability_chart(quality.reliability)),
            now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            version=__version__,
            share=_share,
        )
    )
    write_text(out, page)
    return out


def _environment() -> Environment:
    return Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, loader=FunctionLoader(_own)
    )


def _share(value: float) -> str:
    """Return a share in per cent, "-" for one that does not exist."""
    return "-" if value != value else f"{100 * value:.0f}"


def reliability_chart(found: Reliability) -> str:
    """Return a drawing of how often predictions of each probability came true."""
    return line_chart(
        [
            Series("as often as said", [0.0, 1.0], [0.0, 1.0], tone=3),
            Series("came true", found.said, found.came_true, tone=0),
        ],
        title="How often predictions of each probability came true",
        x_label="probability",
        is_from_zero=True,
    )


def _own(name: str) -> str:
    return resources.files("coview.reports").joinpath(name).read_text(encoding="utf-8")
