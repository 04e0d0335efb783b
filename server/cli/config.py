"""Which servers this user knows, and the tokens for them: `$XDG_CONFIG_HOME/edgeatlas/config.toml`.

A context is a server and a token. The file holds tokens, so it is made readable by its owner alone, from its first byte
on, and replaced whole, so that a command that is interrupted leaves the old one. Variables of the environment
(`EDGEATLAS_URL`, `EDGEATLAS_TOKEN`, `EDGEATLAS_CONTEXT`) win over the file, for scripts.
"""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from server.cli.failures import Exit, Failure

DEFAULT_URL = "http://127.0.0.1:8800"
DEFAULT_CONTEXT = "default"
LOGIN = "run `edgeatlas login`"


@dataclass(frozen=True, kw_only=True)
class Context:
    """A server, and the token to call it with."""

    url: str = DEFAULT_URL
    token: str = field(default="", repr=False)
    token_id: str = ""
    """The token's entity, so that signing out can revoke it."""
    user: str = ""
    expires_at: str = ""
    ca_file: str = ""
    """A PEM file of certificate authorities to trust beside the system's."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The file's content."""

    current: str = DEFAULT_CONTEXT
    contexts: Mapping[str, Context] = field(default_factory=dict)

    def with_context(self, name: str, context: Context | None) -> Config:
        """With a context set and current, or taken out."""
        contexts = {key: one for key, one in self.contexts.items() if key != name}
        if context is None:
            current = self.current if self.current in contexts else next(iter(contexts), DEFAULT_CONTEXT)
            return Config(current=current, contexts=contexts)
        return Config(current=name, contexts=contexts | {name: context})


def config_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where the file is."""
    environment = os.environ if environment is None else environment
    home = environment.get("XDG_CONFIG_HOME", "")
    base = Path(home) if home.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".config"
    return base / "edgeatlas" / "config.toml"


def load_config(path: Path | None = None) -> Config:
    """The file's content; nothing when there is no file. Raises Failure when it cannot be read."""
    path = path or config_path()
    try:
        whole = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise Failure(f"{path} cannot be read: {problem}", remedy="mend it, or remove it and log in again") from None
    known = set(Context.__dataclass_fields__)
    contexts = {
        name: Context(**{key: str(value) for key, value in one.items() if key in known})
        for name, one in whole.get("contexts", {}).items()
        if isinstance(one, dict)
    }
    return Config(current=str(whole.get("current", DEFAULT_CONTEXT)), contexts=contexts)


def save_config(config: Config, path: Path | None = None) -> Path:
    """Writes the file, mode 0600, whole or not at all. Raises Failure."""
    path = path or config_path()
    lines = [f"current = {json.dumps(config.current)}", ""]
    for name, context in config.contexts.items():
        lines.append(f"[contexts.{json.dumps(name)}]")
        lines += [
            f"{key} = {json.dumps(getattr(context, key))}"
            for key in Context.__dataclass_fields__
            if getattr(context, key)
        ]
        lines.append("")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".config-")  # made with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write("\n".join(lines))
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise Failure(
            f"{path} cannot be written: {problem.strerror}", remedy="check the folder's permissions"
        ) from None
    return path


def chosen_context(
    *, name: str | None = None, url: str | None = None, environment: Mapping[str, str] | None = None
) -> tuple[str, Context]:
    """The context of this call and its name: by flags, else the environment, else the file's current one.

    A token of the file is for its own server alone: another URL does not get it.
    """
    environment = os.environ if environment is None else environment
    config = load_config(config_path(environment))
    wanted = name or environment.get("EDGEATLAS_CONTEXT") or config.current
    if wanted not in config.contexts and (name or environment.get("EDGEATLAS_CONTEXT")):
        known = ", ".join(config.contexts) or "none yet"
        raise Failure(
            f"there is no context {wanted!r}; there is: {known}",
            remedy=f"run `edgeatlas login --context {wanted}`",
            code=Exit.NOT_FOUND,
        )
    context = config.contexts.get(wanted, Context())
    other = url or environment.get("EDGEATLAS_URL")
    if other and checked_url(other) != context.url:
        context = Context(url=checked_url(other))
    token = environment.get("EDGEATLAS_TOKEN")
    return wanted, replace(context, token=token) if token else context


def checked_url(url: str) -> str:
    """A server's base URL without a trailing slash. Raises Failure when it is none."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        port, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise Failure(f"{url!r} is no server's URL", remedy=f"write one such as {DEFAULT_URL}", code=Exit.USAGE)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
