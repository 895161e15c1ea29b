"""The page of an index and its JSON API: browse, search by example, see what the encoders see. Needs the extra `serve`.

The process that answers never decodes a video: pictures, copies that a browser plays and vectors of dropped files are
made in processes of their own (`jobs`), which may die or hang without harm.
"""

from coview.serving.app import create_app
from coview.serving.server import serve

__all__ = ["create_app", "serve"]
