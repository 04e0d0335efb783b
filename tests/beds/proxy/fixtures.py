"""Fault proxies of one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from beds.proxy.proxy import FaultProxy


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[int], FaultProxy]]:
    """`fault_proxy(port)` puts a proxy in front of a loopback port; all are closed with the test."""
    opened: list[FaultProxy] = []

    def put_before(target: int) -> FaultProxy:
        opened.append(FaultProxy(target))
        return opened[-1]

    yield put_before
    for proxy in opened:
        proxy.close()
