"""Fields of apps and their versions that follow from others."""

from __future__ import annotations

from typing import Any

from graph.kinds import App, AppVersion
from graph.view import each
from schema.entities import field_of


@field_of(App, returns="Optional[AppVersion]", description="The version that was made last.")
def latest_version(app: App, info: Any) -> AppVersion | None:
    """By time of making, for names of versions have no order that all keep to."""
    newest = None
    for newest in each(info.context.view, AppVersion, "app_id", app.id):  # noqa: B007 - the last one is wanted
        pass
    return newest
