"""The page of an index and its JSON API: browse, search by example, see what the encoders see. Needs the extra `serve`.

The process that answers never decodes a video: pictures, copies that a browser plays and vectors of dropped files are
made in processes of their own (`jobs`), which may die or hang without harm. These need no page, so names are imported
when they are first used: a process that only draws pictures starts three times as soon.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coview.serving.app import create_app as create_app
    from coview.serving.server import serve as serve

_PLACES = {"create_app": "coview.serving.app", "serve": "coview.serving.server"}
__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'coview.serving' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
