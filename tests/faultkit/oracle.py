"""What a deployment must come to, worked out without the product: pure values, a few lines for each verb.

It knows what users asked for and were granted, and nothing of releases, claims, operations or backends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Intent:
    """What is wanted at one revision."""

    version: str
    sites: frozenset[str]
    replicas: int = 1
    adjusted: Mapping[str, int] = field(default_factory=dict)
    """Other numbers of replicas, by site."""
    profile: str | None = None
    anywhere: bool = False
    """At one site, whichever; moved when that is lost. `sites` is empty then."""

    def with_sites(self, sites: frozenset[str]) -> Intent:
        adjusted = {site: count for site, count in self.adjusted.items() if site in sites}
        return replace(self, sites=sites, adjusted=adjusted, anywhere=False)

    def adjusted_at(self, site: str, replicas: int | None) -> Intent:
        others = {one: count for one, count in self.adjusted.items() if one != site}
        return replace(self, adjusted=others if replicas is None else {**others, site: replicas})

    def without(self, site: str) -> Intent:
        return self.with_sites(self.sites - {site})

    def runs(self, home: str | None = None) -> dict[str, int]:
        """Replicas by site; `home` is the one that was found where any will do."""
        sites = self.sites if not self.anywhere else {home} - {None}
        return {one: self.adjusted.get(one, self.replicas) for one in sites if one is not None}


@dataclass
class Shop:
    """One deployment: its past, and what is wanted of it."""

    name: str
    id: str
    gated: bool
    revisions: dict[int, Intent] = field(default_factory=dict)
    """All that ever got a number, also what was never approved."""
    current: int | None = None
    pending: int | None = None
    """What waits for approval."""
    paused: bool = False
    stopped: bool = False
    moves: bool = False
    """Whether it leaves what is lost, and comes back where it is to run everywhere."""
    may_lack: frozenset[str] = frozenset()
    """Sites that were away when something of it was placed: what is to run everywhere is placed where it can run then."""
    single: bool = False
    """Whether it must never run twice. All that is asked of it has it at one site."""
    scaled: bool = False
    """Whether its replicas follow the load."""
    ending: bool = False
    deleted: bool = False
    operations: list[str] = field(default_factory=list)

    @property
    def newest(self) -> int:
        return max(self.revisions, default=0)

    @property
    def wished(self) -> Intent:
        """What the next change starts from."""
        number = self.pending if self.pending is not None else self.current
        assert number is not None
        return self.revisions[number]

    @property
    def wanted(self) -> Intent | None:
        """What is to run, or would but for a pause or a stop; None: nothing."""
        return None if self.ending or self.current is None else self.revisions[self.current]

    def may_be_at(self, sites: set[str]) -> bool:
        """Whether it may be at these sites and no others."""
        wanted = self.wanted
        if wanted is None:
            return not sites
        if wanted.anywhere:
            return len(sites) == 1
        return wanted.sites - self.may_lack <= sites <= wanted.sites

    def change(self, intent: Intent) -> None:
        """A change was granted."""
        self.revisions[self.newest + 1] = intent
        if self.gated:
            self.pending = self.newest
        else:
            self.current = self.newest

    def approve(self) -> None:
        self.current, self.pending = self.pending, None

    def withdraw(self) -> None:
        self.pending = None
        self.ending = self.current is None

    def terminate(self, *, delete: bool) -> None:
        self.ending, self.pending, self.paused, self.stopped = True, None, False, False
        self.deleted = self.deleted or delete
