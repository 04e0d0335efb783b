"""Fixtures of the lifecycle's tests: a small edge network on a real store, or several one after the other."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from graph.request import Request
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import QUICK, Edge, asking, edge_of


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Keeps what is logged from being rendered: tracebacks for people take a second each."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def edges(tmp_path: Path) -> Callable[..., contextlib.AbstractAsyncContextManager[Edge]]:
    """Makes edge networks on one store, one after the other."""

    def make(**given: Any) -> contextlib.AbstractAsyncContextManager[Edge]:
        return edge_of(tmp_path, **given)

    return make


@pytest.fixture(name="asking")
def asking_fixture() -> Callable[..., Request]:
    """Makes requests of a test user."""
    return asking


@pytest.fixture
def quick() -> LifecycleSettings:
    return QUICK


@pytest.fixture
def patient() -> LifecycleSettings:
    """Settings under which a site that refuses now and then is never given up."""
    return dataclasses.replace(QUICK, quarantine_after=1_000)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    async with edge_of(tmp_path) as made:
        yield made
