"""The beds that the kit runs over: a new driver adds its own here (see `driverkit.bed`)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driverkit.bed import Bed
from driverkit.simulated_beds import InServerBed, ProcessBed
from driverkit.simulated_process import SimulatedProcess, simulated_process
from drivers.counted import CallReports, CountedDriver
from drivers.simulated import SimulatedDriver

_numbers = itertools.count()


def _counted(folder: Path, request: pytest.FixtureRequest) -> Bed:
    simulated = SimulatedDriver()
    return InServerBed(folder, driver=CountedDriver(simulated, reports=CallReports()), simulated=simulated)


def _process(folder: Path, request: pytest.FixtureRequest) -> Bed:
    process: SimulatedProcess = request.getfixturevalue("process")
    return ProcessBed(process, f"kit-{next(_numbers)}")


BEDS: dict[str, Callable[[Path, pytest.FixtureRequest], Bed]] = {
    "simulated": lambda folder, request: InServerBed(None),
    "simulated-folder": lambda folder, request: InServerBed(folder),
    "simulated-counted": _counted,
    "simulated-process": _process,
}


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProcess]:
    with simulated_process(tmp_path_factory.mktemp("simulated")) as process:
        yield process


@pytest.fixture(params=sorted(BEDS))
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Bed:
    return BEDS[request.param](tmp_path, request)
