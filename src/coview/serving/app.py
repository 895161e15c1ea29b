"""The application: routes, error messages, the page, and the guard before all of it."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from jinja2 import Environment, FunctionLoader
from starlette.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from coview import __version__
from coview.collection.index import Index
from coview.errors import UserError
from coview.serving.collection_api import collection_router, plain
from coview.serving.desk import Desk
from coview.serving.films_api import films_router
from coview.serving.findings_api import findings_router
from coview.serving.jobs import BusyError
from coview.serving.labelling_api import labelling_router
from coview.serving.safety import Guard
from coview.serving.shelf import NotFoundError
from coview.serving.uploads import TooLargeError

_HERE = resources.files("coview.serving")


def create_app(index: Index, *, run: Path | None = None, token: str | None = None, fetch: bool = False) -> Any:
    """Return the page and the JSON API of an index, as an ASGI application.

    Args:
        index: what is shown.
        run: folder of its run, where it was moved.
        token: what a browser must bring; None: requests must come to a name of this machine.
        fetch: show videos that lie elsewhere, too, fetched from the addresses that the index names.
    """
    desk = Desk.lay(index, run=run, fetch=fetch)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        desk.searches.warm_up()
        yield
        desk.close()

    app = FastAPI(
        title="coview",
        summary="Browse and search a collection of videos by example",
        version=__version__,
        docs_url=None,  # FastAPI's own page loads scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.include_router(collection_router(desk))
    app.include_router(films_router(desk))
    app.include_router(findings_router(desk))
    app.include_router(labelling_router(desk))
    app.mount("/static", StaticFiles(packages=[("coview.serving", "static")]))
    templates = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_read))

    templates.filters["shape"] = _shape

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> str:
        return templates.get_template("page.html.j2").render(
            name=plain(index.path.resolve().name), views=index.views, version=__version__
        )

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def docs() -> str:
        return templates.get_template("docs.html.j2").render(api=app.openapi())

    @app.exception_handler(UserError)
    def explain(request: Request, error: UserError) -> JSONResponse:
        kinds = {NotFoundError: 404, BusyError: 503, TooLargeError: 413}
        return JSONResponse({"detail": plain(desk.explain(error))}, kinds.get(type(error), 422))

    return Guard(app, token=token)


def _read(name: str) -> str:
    return _HERE.joinpath("templates", name).read_text(encoding="utf-8")


def _shape(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema in a few words, such as "list of Video or null"."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(_shape(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(json.dumps(one) for one in schema["enum"])
    if "prefixItems" in schema:
        return f"[{', '.join(_shape(one) for one in schema['prefixItems'])}]"
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_shape(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_shape(schema['additionalProperties'])}"
    bounds = [
        f"{word} {schema[name]}"
        for name, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"))
        if name in schema
    ]
    default = [f"default {json.dumps(schema['default'])}"] if "default" in schema else []
    return ", ".join([kind, *bounds, *default])
