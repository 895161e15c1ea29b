"""What did a run learn, where no video has a label? The newest analysis of health says it, beside random weights."""

from collections.abc import Mapping
from typing import Any

from coview.analysis.context import OWN
from coview.analysis.health_words import motion_verdict
from coview.reports.facts import RunFacts
from coview.reports.run_health import ANALYSIS
from coview.reports.words import Level

MOST_POINTS = 5
_NOT_LOOKED = (
    "Scores compare classes, and no video has a label. What the encoders find alike, and whether they see motion or "
    "the scene, can be seen without any: coview analyse."
)


def what_it_learnt(facts: RunFacts) -> tuple[Level, str, str, tuple[str, ...]]:
    """Return level, headline, text and points; never good news, since without labels nobody can say whether it is."""
    own = (one for one in facts.analyses if one.analysis == ANALYSIS and one.is_on_own_data)
    newest = next(own, None)
    if newest is None:
        return "note", "Not looked at yet.", _NOT_LOOKED, ()
    readings = [one for one in _mappings(newest.findings.values.get("changed_clips")) if one.get("whose") == OWN]
    verdicts = {str(one["view"]): _verdict(one) for one in readings}
    known = {view: verdict for view, verdict in verdicts.items() if verdict}
    points = newest.findings.sentences[len(readings) :][
        :MOST_POINTS
    ]  # the first say of each view what the headline does
    headline = f"{_joined(known)}." if known else "Looked at; whether it sees motion is not known."
    return "note", headline, "", points


def _joined(verdicts: Mapping[str, str]) -> str:
    """Return "rgb and flow see ..." as far as views have the same verdict: "rgb: sees motion; flow: ..."."""
    by_verdict: dict[str, list[str]] = {}
    for view, verdict in verdicts.items():
        by_verdict.setdefault(verdict, []).append(view)
    return "; ".join(f"{', '.join(views)}: {verdict}" for verdict, views in by_verdict.items())


def _verdict(reading: Mapping[str, Any]) -> str:
    try:
        shares = {str(name): float(value) for name, value in reading["shares"].items() if value is not None}
        return motion_verdict(shares)
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    """Return the mappings of a list, and nothing where it is none: files of a run may hold anything."""
    return [one for one in values if isinstance(one, Mapping) and "view" in one] if isinstance(values, list) else []
