"""Who may ask, and what an answer may do in a browser.

- The server listens on this machine alone unless told otherwise; then a token is needed, in a cookie or a header.
- Listening on this machine, it answers only to names of this machine: another site whose name is made to point here
  (DNS rebinding) is refused by the Host header.
- What changes something, or costs work, must not come from a page of another site (Origin, Sec-Fetch-Site).
- Pages may load nothing from elsewhere and run no script but their own (Content-Security-Policy).
"""

import hashlib
import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "coview"
"""What the name of the cookie begins with: cookies do not tell ports apart, and two indexes may be served at once."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_READING = ("GET", "HEAD", "OPTIONS")


def is_loopback(host: str) -> bool:
    """Say whether an address to listen on is reached from this machine alone."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Stands before an application and refuses what must not come in.

    Args:
        app: the application.
        token: what a browser or program must bring; None: anybody on this machine may ask, by its names alone.
    """

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        self._app, self._token = app, token
        self._cookie = f"{COOKIE}-{hashlib.sha256((token or '').encode()).hexdigest()[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass a request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                message["headers"] = headers.raw
            await send(message)

        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        if refused:
            status, why = refused
            await JSONResponse({"detail": why}, status)(scope, receive, send_guarded)
        elif self._token is not None and self._brings_token_in_address(scope):
            await self._keep_token(scope)(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Return status and reason, None for a request that may come in."""
        host = headers.get("host", "")
        if self._token is None and not is_loopback(_name_of(host)):
            return 421, f"this server answers to localhost and 127.0.0.1 alone, not to {host[:200]!r}"
        if scope["method"] not in _READING and _is_from_elsewhere(headers, host):
            return 403, "this request comes from a page of another site"
        if self._token is not None and not (
            self._brings_token(headers) or (scope["method"] == "GET" and self._brings_token_in_address(scope))
        ):
            return 401, "open the address with the token that `coview serve` printed, or send: Authorization: Bearer"
        return None

    def _brings_token(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(given.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _brings_token_in_address(self, scope: Scope) -> bool:
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("token")
        return given is not None and self._is_token(given)

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _keep_token(self, scope: Scope) -> RedirectResponse:
        """Put the token of an address into a cookie, and lead to the address without it."""
        rest = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] != "token"]
        path = "/" + scope["path"].lstrip("/\\")  # "//elsewhere" would lead elsewhere
        answer = RedirectResponse(path + ("?" + urlencode(rest) if rest else ""), 303)
        answer.set_cookie(self._cookie, self._token or "", httponly=True, samesite="lax", path="/")
        return answer


def _name_of(host: str) -> str:
    """Return the name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_from_elsewhere(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != host.lower()
