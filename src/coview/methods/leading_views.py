"""Views that lead: the others follow them, and they follow none."""

from collections.abc import Sequence

from coview.errors import UserError


def check_leading_views(leading: Sequence[str], views: Sequence[str]) -> None:
    """Raise UserError unless the leading views are some of the method's views, and not all."""
    if unknown := [view for view in leading if view not in views]:
        raise UserError(f"method.leading_views has {unknown[0]!r}, expected some of: {', '.join(views)}")
    if leading and set(views) <= set(leading):
        raise UserError("method.leading_views has all views: none is left to follow; leave at least one out")
