"""The pages of signing in: plain forms that work without JavaScript, and load nothing.

Whatever comes from a request is escaped here and nowhere else; the policy of the page allows no script at all.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = """
:root{color-scheme:light dark;--quiet:color-mix(in srgb,CanvasText 70%,Canvas)}
:root{font-family:system-ui,sans-serif;line-height:1.5;background:Canvas;color:CanvasText}
body{margin:0;min-height:100vh;display:grid;place-items:center}
main{width:min(22rem,calc(100vw - 2rem))}
h1{font-size:1.4rem;margin:0 0 1rem}
label{display:block;margin:.75rem 0 .25rem}
input{box-sizing:border-box;width:100%;font:inherit;padding:.5rem;border:1px solid var(--quiet);border-radius:.25rem}
button{font:inherit;padding:.5rem 1rem;margin-top:1rem;border:1px solid var(--quiet);border-radius:.25rem;cursor:pointer}
.message{border:1px solid;border-radius:.25rem;padding:.5rem .75rem}
.note{color:var(--quiet);font-size:.9rem}
code{font-size:.9em}
""".strip()

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def login_page(
    *, csrf: str, next_path: str, name: str = "", message: str | None = None, signed_in_as: str | None = None
) -> str:
    """The form for name and password; `message` says why the last try failed."""
    present = ""
    if signed_in_as is not None:
        present = (
            f'<p>You are signed in as <strong>{escape(signed_in_as)}</strong>. <a href="{escape(next_path)}">Go on</a>, '
            "or sign in as somebody else.</p>"
            f'<form method="post" action="/auth/logout">{_hidden("csrf", csrf)}'
            '<button type="submit">Sign out</button></form>'
        )
    return _page(
        "Sign in",
        f"{present}{_message(message)}"
        '<form method="post" action="/auth/login">'
        f"{_hidden('csrf', csrf)}{_hidden('next', next_path)}"
        '<label for="name">Name</label>'
        f'<input id="name" name="name" value="{escape(name)}" autocomplete="username" autocapitalize="none" '
        'spellcheck="false" maxlength="253" required autofocus>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required>'
        '<button type="submit">Sign in</button></form>'
        '<p class="note">No password yet, or lost it? An administrator makes a sign-in link with '
        "<code>edgeatlas user link NAME</code>.</p>",
    )


def link_page(*, csrf: str, next_path: str, token: str, signed_in_as: str) -> str:
    """Asks whether a sign-in link is to take the place of the present session."""
    return _page(
        "Follow the sign-in link?",
        f"<p>You are signed in as <strong>{escape(signed_in_as)}</strong>. The link signs you in anew, perhaps as "
        "somebody else.</p>"
        '<form method="post" action="/auth/link">'
        f"{_hidden('csrf', csrf)}{_hidden('next', next_path)}{_hidden('token', token)}"
        '<button type="submit">Follow the link</button></form>'
        f'<p><a href="{escape(next_path)}">Stay signed in as {escape(signed_in_as)}</a></p>',
    )


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{title} - EdgeAtlas</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>EdgeAtlas: {title.lower()}</h1>{content}</main></body></html>"
    )


def _message(message: str | None) -> str:
    return f'<p class="message" role="alert">{escape(message)}</p>' if message else ""


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'
