"""Sites and clusters as columns, by ascending id.

Rules ask a site for its tier, its price or its cordon as one array instead of one look an object. A change of some sites
overwrites their rows in a copy of the columns that it changes; `structure` is another object when which sites there are,
what may run there, whose they are or where they lie has changed, so that what was worked out of that is kept until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np

from graph.kinds import Cluster, Site, SiteRole, Tier
from graph.view import Reader, each
from placement.arrays import Floats, Ints, Mask
from placement.codes import Codes
from placement.conditions import is_down

Column: TypeAlias = np.ndarray[Any, Any]
"""A column of any type."""
TIERS = tuple(one.name for one in Tier)
"""Tiers by number."""
_TIER = {one: at for at, one in enumerate(Tier)}
NO_TENANT = 0
"""The number of what belongs to nobody and is seen by everyone."""


@dataclass(frozen=True, slots=True)
class SiteColumns:
    """Sites by row."""

    sites: Sequence[Site]
    row_of: dict[str, int]
    compute: Mask
    tenant: Ints
    """Whose it is: a number of `tenants`; 0: nobody's."""
    degrees: Floats
    """(sites, 2): longitude and latitude, not a number where there is no position."""
    schedulable: Mask
    down: Mask
    stated: Mask
    """States a capacity."""
    tier: Ints
    """An index into `TIERS`."""
    region: Ints
    """A number of `regions`."""
    price: Floats
    """Price units for one core for one hour."""
    memory_price: Floats
    """Price units for one GiB of memory for one hour."""
    accelerator_price: Floats
    """(sites, models): price units for one accelerator for one hour, by the numbers of `models`."""
    models: Codes[str]
    """Models of accelerators that some site has stated a price for."""
    tenants: Codes[str | None]
    regions: Codes[str]
    structure: object
    labels: object
    """Another object when which sites there are or what labels they have has changed."""

    @property
    def ids(self) -> list[str]:
        """The ids by row."""
        return list(self.row_of)

    def at(self, rows: Ints) -> SiteColumns:
        """The columns of some sites, by ascending row; itself when they are all."""
        if len(rows) == len(self.sites):
            return self
        picked = _picked(self.sites, rows)
        columns = {name: getattr(self, name)[rows] for name in _SITE_ARRAYS}
        return replace(self, sites=picked, row_of={one.id: at for at, one in enumerate(picked)}, **columns)

    def replaced(self, sites: Sequence[Site]) -> SiteColumns:
        """These columns with newer values of some of their sites."""
        if not sites:
            return self
        tenants = self.tenants.including(one.tenant_id for one in sites)
        regions = self.regions.including(one.region_id for one in sites)
        rows = [self.row_of[one.id] for one in sites]
        models = self.models.including(one.model for site in sites for one in site.accelerator_prices)
        made = _site_arrays(sites, tenants, regions, models)
        before = {name: getattr(self, name) for name in made}
        before["accelerator_price"] = np.pad(self.accelerator_price, ((0, 0), (0, len(models) - len(self.models))))
        columns = {name: _overwritten(before[name], rows, column) for name, column in made.items()}
        newer = list(self.sites)
        for row, one in zip(rows, sites, strict=True):
            newer[row] = one
        as_labelled = all(self.sites[row].labels == one.labels for row, one in zip(rows, sites, strict=True))
        same = all(columns[name] is getattr(self, name) for name in ("compute", "tenant", "degrees", "stated"))
        return SiteColumns(
            sites=newer,
            row_of=self.row_of,
            tenants=tenants,
            regions=regions,
            models=models,
            structure=self.structure if same else object(),
            labels=self.labels if as_labelled else object(),
            **columns,
        )


@dataclass(frozen=True, slots=True)
class ClusterColumns:
    """Clusters, and which serve which sites by what they state of themselves."""

    clusters: Sequence[Cluster]
    row_of: dict[str, int]
    tenant: Ints
    """Whose it is: a number of `tenants`; 0: nobody's."""
    cordoned: Mask
    down: Mask
    driver: Ints
    """A number of `drivers`."""
    serves_site: Ints
    """Pairs (site row, cluster row), as two arrays."""
    serves_cluster: Ints
    tenants: Codes[str | None]
    drivers: Codes[str]
    structure: object
    """Another object when which clusters there are, whose they are or what they serve has changed."""

    def replaced(self, clusters: Sequence[Cluster]) -> ClusterColumns:
        """These columns with newer values of some of their clusters, which serve the sites that they did."""
        if not clusters:
            return self
        rows = [self.row_of[one.id] for one in clusters]
        newer = list(self.clusters)
        for row, one in zip(rows, clusters, strict=True):
            newer[row] = one
        made = _cluster_arrays(clusters, self.tenants, self.drivers)
        columns: dict[str, Any] = {
            name: _overwritten(getattr(self, name), rows, column) for name, column in made.items()
        }
        return replace(self, clusters=newer, **columns)


def site_columns(reader: Reader, *, before: SiteColumns | None = None) -> SiteColumns:
    """The columns of all sites; numbers are those of `before`, and more."""
    sites = list(each(reader, Site))
    tenants = Codes[str | None]([None]) if before is None else before.tenants
    regions = Codes[str]() if before is None else before.regions
    tenants = tenants.including(one.tenant_id for one in sites)
    regions = regions.including(one.region_id for one in sites)
    models = Codes[str]() if before is None else before.models
    models = models.including(one.model for site in sites for one in site.accelerator_prices)
    return SiteColumns(
        sites=sites,
        row_of={one.id: row for row, one in enumerate(sites)},
        tenants=tenants,
        regions=regions,
        models=models,
        structure=object(),
        labels=object(),
        **_site_arrays(sites, tenants, regions, models),
    )


def cluster_columns(reader: Reader, sites: SiteColumns) -> ClusterColumns:
    """The columns of all clusters."""
    clusters = list(each(reader, Cluster))
    pairs = [
        (sites.row_of[site_id], row)
        for row, one in enumerate(clusters)
        for site_id in one.site_ids
        if site_id in sites.row_of
    ]
    tenants = Codes[str | None]([None]).including(one.tenant_id for one in clusters)
    drivers = Codes(one.driver for one in clusters)
    return ClusterColumns(
        clusters=clusters,
        row_of={one.id: row for row, one in enumerate(clusters)},
        serves_site=np.array([one[0] for one in pairs], dtype=np.int64),
        serves_cluster=np.array([one[1] for one in pairs], dtype=np.int64),
        tenants=tenants,
        drivers=drivers,
        structure=object(),
        **_cluster_arrays(clusters, tenants, drivers),
    )


def _site_arrays(
    sites: Sequence[Site], tenants: Codes[str | None], regions: Codes[str], models: Codes[str]
) -> dict[str, Any]:
    count = len(sites)
    nowhere = (np.nan, np.nan)
    degrees = chain.from_iterable(
        nowhere if (at := one.position) is None else (at.longitude, at.latitude) for one in sites
    )
    return {
        "compute": np.array([one.role is SiteRole.COMPUTE for one in sites], dtype=bool),
        "tenant": np.array([tenants[one.tenant_id] for one in sites], dtype=np.int64),
        "degrees": np.fromiter(degrees, dtype=np.float64, count=2 * count).reshape(count, 2),
        "schedulable": np.array([one.schedulable for one in sites], dtype=bool),
        "down": np.array([is_down(one) for one in sites], dtype=bool),
        "stated": np.array([one.capacity is not None for one in sites], dtype=bool),
        "tier": np.array([_TIER[one.tier] for one in sites], dtype=np.int64),
        "region": np.array([regions[one.region_id] for one in sites], dtype=np.int64),
        "price": np.array([one.price_per_core_hour for one in sites], dtype=np.float64),
        "memory_price": np.array([one.price_per_gib_hour for one in sites], dtype=np.float64),
        "accelerator_price": _by_model(sites, models),
    }


def _by_model(sites: Sequence[Site], models: Codes[str]) -> Floats:
    found = np.zeros((len(sites), len(models)))
    for row, site in enumerate(sites):
        for one in site.accelerator_prices:
            found[row, models[one.model]] = one.price_per_hour
    return found


_SITE_ARRAYS = tuple(one.name for one in fields(SiteColumns) if one.type in ("Mask", "Ints", "Floats"))


def _cluster_arrays(clusters: Sequence[Cluster], tenants: Codes[str | None], drivers: Codes[str]) -> dict[str, Any]:
    return {
        "tenant": np.array([tenants[one.tenant_id] for one in clusters], dtype=np.int64),
        "cordoned": np.array([not one.schedulable for one in clusters], dtype=bool),
        "down": np.array([is_down(one) for one in clusters], dtype=bool),
        "driver": np.array([drivers[one.driver] for one in clusters], dtype=np.int64),
    }


def _overwritten(column: Column, rows: Sequence[int], values: Column) -> Column:
    """A column with some rows overwritten: a copy, or itself where nothing differs."""
    if np.array_equal(column[rows], values, equal_nan=values.dtype.kind == "f"):
        return column
    newer = column.copy()
    newer[rows] = values
    return newer


def _picked(sites: Sequence[Site], rows: Ints) -> tuple[Site, ...]:
    if len(rows) < 2:
        return tuple(sites[row] for row in rows.tolist())
    picked: tuple[Site, ...] = itemgetter(*rows.tolist())(sites)
    return picked
