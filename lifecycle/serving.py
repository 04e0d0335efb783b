"""Which clusters serve a site: the control planes whose state is the site's."""

from __future__ import annotations

from graph.kinds import Cluster, Node, Site
from graph.view import Reader, each, get_as
from lifecycle.health import counts_for


def serving_of(reader: Reader, site_id: str) -> list[Cluster]:
    """The clusters whose state is a site's: they serve it, by their own word or by a node there; by id.

    A private cluster says nothing of a site that all share: whoever names such a site must not hide its loss.
    """
    ids = {*reader.ids("Cluster", "site_ids", site_id)}
    ids |= {one.cluster_id for one in each(reader, Node, "site_id", site_id) if one.cluster_id is not None}
    serving = [found for one in sorted(ids) if (found := get_as(reader, Cluster, one)) is not None]
    site = get_as(reader, Site, site_id)
    return serving if site is None else [one for one in serving if counts_for(one, site)]
