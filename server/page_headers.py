"""The headers of every page and asset: what a page may load, and who may show it."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_PRESS_STYLE: Final = "'sha256-38RhXrc7EdReTKsOm23ZPOCUgniTUUcjky8QOOrQx6o='"
"""The one style element that a library of the dashboard inserts (React Aria: no double-tap zoom on what can be pressed)."""


def security_headers(request: Request, *, editor: bool = False) -> dict[str, str]:
    """The headers of every page and asset.

    The policy allows this origin alone. A socket's origin counts as another one in browsers that follow CSP level 2, so
    it is named, by the request's own host where that is a plain host name. Monaco, the `editor` of the playground, inserts
    style elements and small images written as `data:` addresses, as GraphiQL does its fonts: that page has exceptions.
    """
    host = request.headers.get("host", "")
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    if editor:
        styles, images, fonts = "'self' 'unsafe-inline'", "'self' data:", "'self' data:"
    else:
        styles, images, fonts = f"'self' {_PRESS_STYLE}", "'self'", "'self'"
    policy = (
        "default-src 'self'; "
        f"connect-src 'self'{sockets}; "
        "script-src 'self'; worker-src 'self'; "
        f"style-src {styles}; img-src {images}; font-src {fonts}; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
