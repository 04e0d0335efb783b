"""In which order documents are applied: parents before children, whatever order they were written in.

Kinds have their order (`graph.documents.APPLICABLE`); regions, which are parts of each other, are ordered by their depth in
the set. Only names within the set matter: what is there already is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from graph.documents import APPLICABLE, Document


def in_order(documents: Sequence[Document]) -> list[int]:
    """The positions of the documents, parents before children: by kind, regions by their depth in the set."""
    return [index for group in in_groups(documents) for index in group]


def in_groups(documents: Sequence[Document]) -> list[list[int]]:
    """The positions of documents that do not refer to each other, group after group, parents before children."""
    rank = {name: at for at, name in enumerate(APPLICABLE)}
    depths = _region_depths(documents)
    groups: dict[tuple[int, int], list[int]] = {}
    for index, one in enumerate(documents):
        depth = depths[_path_of(one)] if one.kind == "Region" else 0
        groups.setdefault((rank[one.kind], depth), []).append(index)
    return [groups[key] for key in sorted(groups)]


def _path_of(document: Document) -> tuple[str | None, str]:
    return document.tenant, document.name


def _region_depths(documents: Sequence[Document]) -> dict[tuple[str | None, str], int]:
    """How many regions of the set are above each of the set's; of those in a circle, some number."""
    regions = {_path_of(one): one for one in documents if one.kind == "Region"}

    def above(path: tuple[str | None, str]) -> tuple[str | None, str] | None:
        tenant = regions[path].tenant
        parent = regions[path].spec.get("parent", regions[path].spec.get("parentId"))
        if not isinstance(parent, str):
            return None
        outer, _, name = parent.rpartition("/")
        wanted = [(outer, name)] if outer else [(tenant, name), (None, name)]
        return next((one for one in wanted if one in regions), None)

    depths: dict[tuple[str | None, str], int] = {}
    for start in regions:
        line: list[tuple[str | None, str]] = []
        at: tuple[str | None, str] | None = start
        while at is not None and at not in depths:
            depths[at] = 0  # until it is known; whoever comes round to it again stops here
            line.append(at)
            at = above(at)
        depth = -1 if at is None else depths[at]
        for one in reversed(line):
            depth += 1
            depths[one] = depth
    return depths
