"""The views of a prepared data set, ready to read: made with the options that dataset.yaml records."""

from collections.abc import Iterable, Mapping
from typing import Any

from coview.config import parse
from coview.views import VIEWS
from coview.views.base import View


def open_views(view_options: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> dict[str, View]:
    """Return view name -> the view, with the options it was extracted with.

    Args:
        view_options: view name -> options, from `PreparedDataset.view_options`.
        names: the views wanted; each must be among them.

    Raises:
        UserError: an unknown view, or recorded options this version does not know.
    """
    opened = {}
    for name in names:
        kind = VIEWS.load(name)
        opened[name] = kind(parse(kind.Options, view_options[name], source="dataset.yaml", prefix=f"views.{name}."))
    return opened
