"""What a deployment runs on is taken to be in order where it is not, and nothing else is."""

from __future__ import annotations

from graph.edit import Edit
from graph.kinds import Site
from graph.view import get_as
from lifecycle.indulgence import NONE, blemished, indulged
from lifecyclekit.edge import Edge


async def test_a_site_that_was_cordoned_is_shown_in_order_to_what_runs_there(edge: Edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    here, elsewhere = edge.site_ids
    deployment, _ = await edge.deploy(sites=[here])

    def cordon(edit: Edit) -> None:
        for one in edge.site_ids:
            edit.replace(edit.get(one), schedulable=False)

    await edge.change(cordon)
    shown = indulged(edge.view, blemished(edge.view, deployment.id))
    assert [get_as(shown, Site, one).schedulable for one in (here, elsewhere)] == [True, False]


async def test_where_all_is_in_order_the_graph_is_read_itself(edge: Edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, _ = await edge.deploy(sites=edge.site_ids[:1])
    assert blemished(edge.view, deployment.id) == NONE
    assert indulged(edge.view, NONE) is edge.view
