"""Serve the page of an index until Ctrl-C."""

import asyncio
import errno
import logging
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from coview.collection.index import Index
from coview.collection.opening import open_index
from coview.errors import UserError
from coview.serving.app import create_app
from coview.serving.safety import is_loopback
from coview.stopping import stop_signals_to

HOST, PORT = "127.0.0.1", 8765
_OPEN_AFTER_SECONDS = 0.7


def serve(
    index: Index | Path | str,
    *,
    host: str = HOST,
    port: int = PORT,
    run: Path | str | None = None,
    open_browser: bool = False,
    fetch: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page and the JSON API of an index, until Ctrl-C.

    Args:
        index: an index or its folder.
        host: address to listen on; other than of this machine, a token is needed, which is part of the address told.
        port: 0: any that is free.
        run: folder of the index's run, where it was moved.
        open_browser: show the page in the browser of this machine.
        fetch: show videos that lie elsewhere, too, fetched from the addresses that the index names.
        say: told the address.

    Raises:
        UserError: no index there, a port in use, or an address that is not of this machine.
    """
    opened = index if isinstance(index, Index) else open_index(index)
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    listening = _listen(host, port)
    place = _address(host, listening.getsockname()[1])
    address = place if token is None else f"{place}?token={token}"
    app = create_app(opened, run=None if run is None else Path(run), token=token, fetch=fetch)
    config = uvicorn.Config(app, log_level="warning", lifespan="on", server_header=False, timeout_graceful_shutdown=3)
    logging.getLogger("uvicorn.error").addFilter(is_worth_a_line)
    say(f"{opened!r}\n{address}\nEnd with Ctrl-C. The API is described at {place}docs")
    if open_browser:
        threading.Timer(_OPEN_AFTER_SECONDS, webbrowser.open, [address]).start()
    server = uvicorn.Server(config)
    with listening, stop_signals_to(server.handle_exit):  # of which uvicorn itself leaves SIGHUP out
        server.run(sockets=[listening])


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Return whether to log this: requests that are cut off in the midst of a film when a server ends are no errors."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError | KeyboardInterrupt)


def _address(host: str, port: int) -> str:
    shown = host.strip("[]")
    if shown in ("0.0.0.0", "::"):
        shown = socket.gethostname()
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"


def _listen(host: str, port: int) -> socket.socket:
    """Take an address before anything else is done.

    Raises:
        UserError: it cannot be had; says why.
    """
    if not 0 <= port <= 65535:
        raise UserError(f"port is {port}, expected 1 to 65535, or 0 for any that is free")
    try:
        family, _, _, _, place = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen(512)
    except socket.gaierror as error:
        raise UserError(f"{host} is no address of this machine: {error.strerror}; leave --host out") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"port {port} of {host} is in use, perhaps by another `coview serve`; choose another with --port, "
                "or --port 0 for any that is free"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise UserError(f"port {port} may not be used ({error.strerror}); choose one above 1023") from None
        raise UserError(f"cannot listen on {host}, port {port}: {error.strerror}; leave --host out") from None
    return found
