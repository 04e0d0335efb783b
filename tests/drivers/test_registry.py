"""Drivers are found by their entry points, and what is wrong with one is a typed error."""

from __future__ import annotations

import pytest

from drivers.port import InvalidConfiguration, UnknownDriver
from drivers.registry import DriverBroken, DriverRegistry
from drivers.simulated import SimulatedDriver


def test_the_simulated_driver_is_installed() -> None:
    registry = DriverRegistry.installed()
    assert "simulated" in registry.names
    assert isinstance(registry.get("simulated"), SimulatedDriver)
    assert registry.get("simulated") is registry.get("simulated")


def test_an_unknown_driver_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownDriver) as refused:
        DriverRegistry.of(SimulatedDriver()).get("nova")
    assert "simulated" in (refused.value.remedy or "")
    assert refused.value.path == "input.driver"


def test_a_driver_that_cannot_be_loaded_says_why() -> None:
    def broken() -> SimulatedDriver:
        raise ImportError("no module named openstack")

    with pytest.raises(DriverBroken, match="no module named openstack"):
        DriverRegistry({"openstack": broken}).get("openstack")


def test_a_configuration_is_checked_by_its_driver() -> None:
    registry = DriverRegistry.of(SimulatedDriver())
    registry.check("simulated", {"latencyMs": 5})
    with pytest.raises(InvalidConfiguration):
        registry.check("simulated", {"latencyMs": -5})
