"""Fixtures of the lifecycle's tests: benches with a small edge network on a real store."""

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
from tests.lifecycle.bench import QUICK, Bench, asking, bench_of


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Keeps what is logged from being rendered: tracebacks for people take a second each."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def benches(tmp_path: Path) -> Callable[..., contextlib.AbstractAsyncContextManager[Bench]]:
    """Makes benches on one store, one after the other."""

    def make(**given: Any) -> contextlib.AbstractAsyncContextManager[Bench]:
        return bench_of(tmp_path, **given)

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
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_of(tmp_path) as made:
        yield made
