"""Refusals as the schema shows them: members of every result union, each an `Error` with what a caller needs to act.

The classes of graph/refusal.py are the list; a refusal that refers to entities shows only those that the viewer sees, for an
error must not tell what a list would not.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Sequence
from typing import Any

import strawberry

from drivers.port import InvalidConfiguration, UnknownDriver
from drivers.registry import DriverBroken
from graph import refusal as refusals
from graph.entity import Entity
from lifecycle.plans_kept import PlanOutdated, PlanReason
from lifecycle.unplaceable import Unplaceable
from placement.decision import Decision
from schema.vocabulary import NAMES, Member, described_enum, object_type, resolver_field

SHOWN_DEPENDENTS = 20


class ErrorValue:
    """A refusal on its way to the caller."""

    __slots__ = ("refusal",)

    def __init__(self, refusal: refusals.Refusal) -> None:
        self.refusal = refusal

    @property
    def typename(self) -> str:
        """The GraphQL type that shows it: its class's, or that of the nearest class that has one."""
        for cls in type(self.refusal).__mro__:
            if cls in SHOWN:
                return cls.__name__
        return "Unavailable" if self.refusal.retryable else "InvalidInput"

    @property
    def code(self) -> str:
        """A word for programs: one that the schema knows."""
        code = self.refusal.code
        return code if code in _CODES else "UNAVAILABLE" if self.refusal.retryable else "INVALID_INPUT"

    @property
    def message(self) -> str:
        """What is wrong."""
        return self.refusal.message

    @property
    def remedy(self) -> str | None:
        """What to do about it."""
        return self.refusal.remedy

    @property
    def path(self) -> str | None:
        """The input field."""
        return self.refusal.path

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.refusal.retryable


def _existing(error: ErrorValue, info: Any) -> Entity | None:
    assert isinstance(error.refusal, refusals.AlreadyExists)
    found: Entity | None = info.context.view.get(error.refusal.existing_id)
    return found


def _current(error: ErrorValue, info: Any) -> Entity | None:
    assert isinstance(error.refusal, refusals.Conflict)
    found: Entity | None = info.context.view.get(error.refusal.entity_id)
    return found


def _current_revision(error: ErrorValue, info: Any) -> int:
    assert isinstance(error.refusal, refusals.Conflict)
    return error.refusal.current_revision


def _visible_dependents(error: ErrorValue, info: Any) -> Sequence[Entity]:
    assert isinstance(error.refusal, refusals.InUse)
    view = info.context.view
    return [found for one in error.refusal.dependents if (found := view.get(one)) is not None]


def _dependents(error: ErrorValue, info: Any) -> Sequence[Entity]:
    return _visible_dependents(error, info)[:SHOWN_DEPENDENTS]


def _dependent_count(error: ErrorValue, info: Any) -> int:
    return len(_visible_dependents(error, info))


def _plan(error: ErrorValue, info: Any) -> Decision:
    assert isinstance(error.refusal, Unplaceable)
    return error.refusal.decision


def _reasons(error: ErrorValue, info: Any) -> Sequence[PlanReason]:
    assert isinstance(error.refusal, PlanOutdated)
    return error.refusal.reasons


EXTRA: dict[type[refusals.Refusal], dict[str, Member]] = {
    refusals.AlreadyExists: {
        "existing": (
            None,
            resolver_field(
                _existing, returns="Optional[Entity]", description="What has the name; null when you may not see it."
            ),
        ),
    },
    refusals.Conflict: {
        "current": (
            None,
            resolver_field(_current, returns="Optional[Entity]", description="What it is now; null when it is gone."),
        ),
        "current_revision": (
            None,
            resolver_field(_current_revision, returns="BigInt", description="The revision at which it last changed."),
        ),
    },
    Unplaceable: {
        "plan": (None, resolver_field(_plan, returns="PlacementPlan", description="Why each site was refused.")),
    },
    PlanOutdated: {
        "reasons": (
            None,
            resolver_field(_reasons, returns="list[PlanReason]", description="All that stands against it."),
        ),
    },
    refusals.InUse: {
        "dependents": (
            None,
            resolver_field(_dependents, returns="list[Entity]", description="The first 20 that depend on it."),
        ),
        "dependent_count": (
            None,
            resolver_field(
                _dependent_count, returns="int", description="How many depend on it, as far as you may see."
            ),
        ),
    },
}


SHOWN: tuple[type[refusals.Refusal], ...] = (
    refusals.AlreadyExists,
    refusals.CapacityGone,
    refusals.Conflict,
    refusals.Forbidden,
    refusals.IdempotencyMismatch,
    refusals.InUse,
    refusals.InvalidInput,
    refusals.InvalidState,
    refusals.LimitExceeded,
    refusals.NotFound,
    refusals.Unavailable,
    DriverBroken,
    InvalidConfiguration,
    PlanOutdated,
    UnknownDriver,
    Unplaceable,
)
"""The refusals that have a type of their own; any other is shown as the nearest class of its own that has."""


_CODES = frozenset(cls.code for cls in SHOWN)


def define_errors() -> None:
    """Derives the interface `Error`, its codes, and one type for each class of refusal."""
    if "Error" in NAMES:
        return
    codes = enum.Enum("ErrorCode", {cls.code: cls.code for cls in SHOWN})  # type: ignore[misc]  # made here
    described_enum(
        codes,
        description="What sort of error it is, for programs.",
        members={cls.code: inspect.cleandoc(cls.__doc__ or "") for cls in SHOWN},
    )
    members: dict[str, Member] = {
        "code": ("ErrorCode", strawberry.field(description="What sort of error it is, for programs.")),
        "message": ("str", strawberry.field(description="What is wrong, for people.")),
        "remedy": ("Optional[str]", strawberry.field(description="What to do about it.")),
        "path": ("Optional[str]", strawberry.field(description="The input field: `input.labels[2].key`.")),
        "retryable": ("bool", strawberry.field(description="Whether the same request may succeed later.")),
    }
    error = object_type(
        "Error", members, description="A failure that a caller can act on; nothing was changed.", interface=True
    )
    for cls in SHOWN:
        described = (cls.__doc__ or cls.__name__).strip()
        object_type(cls.__name__, EXTRA.get(cls, {}), description=described, bases=[error])
