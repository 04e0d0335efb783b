"""What a deletion takes with it, and what stands in its way.

What others depend on is not deleted. A cascade also takes what cannot be without it (`Ref.owner`), and stops at a reference
that only blocks, unless who refers so is deleted as well. What nobody made (`Ref.goes_along`) goes in any case.
"""

from __future__ import annotations

from graph.change import MAX_CHANGES
from graph.entity import KINDS, Entity
from graph.entity_checks import called
from graph.overlay import Base
from graph.refusal import InUse, LimitExceeded

MAX_CASCADE = MAX_CHANGES


def doomed_with(graph: Base, entity: Entity, *, cascade: bool, path: str) -> list[Entity]:
    """All that are deleted with the entity, it first.

    Raises InUse with the dependents when others depend on them, LimitExceeded when a cascade takes more than 5,000.
    """
    doomed: dict[str, Entity] = {entity.id: entity}
    blocking: dict[str, None] = {}
    waiting = [entity.id]
    while waiting:
        for kind_name, field_name, referrer in graph.dependents(waiting.pop()):
            if referrer in doomed:
                continue
            ref = KINDS[kind_name].fields[field_name].ref
            if ref is None or not (ref.goes_along or (cascade and ref.owner)):
                blocking[referrer] = None
                continue
            found = graph.get(referrer)
            assert found is not None, "an index names only what exists"
            doomed[referrer] = found
            waiting.append(referrer)
            if len(doomed) > MAX_CASCADE:
                raise LimitExceeded(
                    f"the cascade deletes more than {MAX_CASCADE} entities",
                    remedy="delete its parts first",
                    path=f"{path}.cascade",
                )
    stuck = [one for one in blocking if one not in doomed]
    if stuck:
        raise InUse(
            f"{len(stuck)} {'entity depends' if len(stuck) == 1 else 'entities depend'} on "
            f"{entity.SPEC.name} {called(entity)}" + (" or on what it would take with it" if cascade else ""),
            dependents=stuck,
            path=f"{path}.id",
        )
    return list(doomed.values())
