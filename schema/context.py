"""What a resolver is handed: the viewer and the view that this viewer sees; there is no other view here."""

from __future__ import annotations

from typing import Protocol

import strawberry

from access.viewer import Viewer
from access.visible import VisibleView
from schema.work import Work


class ReadContext(Protocol):
    """The part of a request's context that types and relations read."""

    @property
    def viewer(self) -> Viewer:
        """Who asks."""
        ...

    @property
    def view(self) -> VisibleView:
        """The graph as far as the viewer may see it, at the process's own revision."""
        ...

    @property
    def work(self) -> Work:
        """What the request may still have looked at."""
        ...

    @property
    def page_size_max(self) -> int:
        """The most entries of one page."""
        ...


Info = strawberry.Info[ReadContext, None]
