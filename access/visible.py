"""The graph as one viewer may see it: what that viewer may not see is as if it were not there.

This is the only reader that the API and placement are given. It filters where the graph is read and not where an answer
is written, so that an entity, a list, a count, a relation or a path cannot differ in what it lets out.

The rules by kind, on top of `KIND_ACCESS`:
- what belongs to a tenant is seen with the kind's permission in that tenant, what belongs to none with `unowned_read`;
- a cluster's credentials and configuration are taken out of the value without WRITE_INFRASTRUCTURE where it belongs;
- a tenant is seen by whoever has any role in it;
- a user, its tokens and bindings are seen by the user itself, and by who may read the people of a tenant it is bound in;
- an event is seen with what it happened to, or with the kind of that when it is gone.

Rules are made once for each set of permissions and cached; a read costs one more look-up in a dictionary where a kind
is wholly visible, and a comparison of tenants elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeVar

import msgspec

from access.kept import kept_of
from access.permissions import Permission
from access.sequences import FEW, Merged, Without, in_both
from access.viewer import PermissionKey, Viewer, concerns
from access.visibility import CREDENTIAL_FIELDS, PERSONAL, Rule, held_everywhere, listed_rule
from graph.change import Change, Commit
from graph.entity import HIDDEN, KINDS, Entity, Named, kind_by_id
from graph.kinds import ApiToken, Cluster, Event, RoleBinding, ServiceAccount, User
from graph.refusal import NotFound
from graph.view import NOTHING, Reader, View, each

T = TypeVar("T")


class VisibleView:
    """A `graph.view.Reader` over another (the view, or a change under way) that shows one viewer's part of it."""

    __slots__ = ("_get", "_reader", "_rules", "viewer")

    def __init__(self, reader: Reader, viewer: Viewer) -> None:
        self._reader = reader
        self._get = reader.lookup if isinstance(reader, View) else reader.get
        self.viewer = viewer
        self._rules = _rules_of(viewer.permission_key)

    @property
    def revision(self) -> int:
        """The revision that is read."""
        return self._reader.revision

    @property
    def epoch(self) -> str:
        """The graph's epoch."""
        return self._reader.epoch

    # Single entities

    def get(self, entity_id: str) -> Entity | None:
        """The entity with this id as the viewer sees it, or None."""
        entity = self._get(entity_id)
        if entity is None:
            return None
        rule = self._rules[type(entity)]
        return entity if rule is None else rule(self, entity)

    def find(self, kind: str, name: str, scope: str = "") -> Entity | None:
        """The entity of a named kind by its name within a scope, if the viewer sees it."""
        return self.shown(self._reader.find(kind, name, scope))

    def find_external(self, system: str, external_id: str, tenant_id: str | None = None) -> Entity | None:
        """The entity that has this external id among those of a tenant, or of none, if the viewer sees it."""
        return self.shown(self._reader.find_external(system, external_id, tenant_id))

    def shown(self, entity: Entity | None) -> Entity | None:
        """What the viewer sees of a value, however it was come by (a commit, a filed record): it, part of it, or None."""
        if entity is None:
            return None
        rule = self._rules[type(entity)]
        return entity if rule is None else rule(self, entity)

    def sees(self, entity: Entity) -> bool:
        """Whether the viewer sees the entity at all."""
        return self.shown(entity) is not None

    def sees_change(self, change: Change) -> bool:
        """Whether the viewer is told of a change: an entity never changes its tenant, so its newest value decides."""
        return self.shown(change.value) is not None

    def may_see_credentials(self, cluster: Cluster) -> bool:
        """Whether a cluster's credentials and configuration are shown."""
        return self.viewer.may(Permission.WRITE_INFRASTRUCTURE, cluster.tenant_id)

    def may_see_use(self, tenant_id: str | None = None) -> bool:
        """Whether figures are shown that add up the releases of every tenant, such as a node's free capacity.

        `tenant_id` is whose private infrastructure it is: nobody else's releases are there. None: all share it.
        """
        return self.viewer.may(Permission.READ_WORKLOADS, tenant_id)

    # Lists

    def ids(self, kind: str, field: str | None = None, value: str | None = None) -> Sequence[str]:
        """Ids in ascending order, as `Reader.ids`, of what the viewer sees; not to be kept across an await."""
        if field is not None and (known := KINDS[kind].fields.get(field)) is not None and HIDDEN in known.marks:
            return NOTHING
        rule = listed_rule(self.viewer.permission_key, kind)
        base = self._reader.ids(kind, field, value)
        if (rule.whole and kind != "Cluster") or not base:
            return base
        if kind in PERSONAL:
            own = self._personal(kind, rule)
            return own if field is None else in_both(own, base)
        if field in CREDENTIAL_FIELDS and kind == "Cluster":
            return [one for one in base if isinstance(found := self._get(one), Cluster) and self._opens(found)]
        if field == "tenant_id":
            return base if rule.admits(value) else NOTHING
        if rule.unowned:
            return self._without(kind, base, rule, whole=field is None)
        return self._within(kind, base, rule, whole=field is None)

    def ids_by_name(self, kind: str) -> Sequence[str]:
        """All ids of a named kind that the viewer sees, ordered by name, then id."""
        rule = listed_rule(self.viewer.permission_key, kind)
        base = self._reader.ids_by_name(kind)
        if rule.whole:
            return base
        if kind in PERSONAL:
            return self._names(kind, rule)
        return self._kept(kind, ("names", rule), lambda: self._names(kind, rule))

    def entries_by_name(self, kind: str, entries: Sequence[tuple[str, str]]) -> list[Sequence[str]]:
        """What `ids` gives for fields and values of a named kind, each ordered by name, then id; empty ones left out."""
        reader, rule = self._reader, listed_rule(self.viewer.permission_key, kind)
        if not isinstance(reader, View) or not rule.unowned or kind in PERSONAL or kind == "Cluster":
            return [self._entry_by_name(kind, field, value) for field, value in entries]
        every = reader.entries_by_name(kind, entries)
        hidden = self._hidden(kind, rule)
        if not hidden:
            return every
        others = self._kept(kind, ("hidden", rule), lambda: frozenset(chain.from_iterable(hidden)))
        return [[one for one in ids if one not in others] for ids in every]

    def _entry_by_name(self, kind: str, field: str, value: str) -> Sequence[str]:
        seen, reader = self.ids(kind, field, value), self._reader
        if not isinstance(reader, View) or len(seen) < FEW:
            return sorted(seen, key=self._name_key)
        among = frozenset(seen)
        return [one for one in reader.entries_by_name(kind, [(field, value)])[0] if one in among]

    def count(self, kind: str, field: str | None = None, value: str | None = None) -> int:
        """How many `ids` would give."""
        return len(self.ids(kind, field, value))

    def visible_dependents(self, entity_ids: Iterable[str]) -> list[str]:
        """Those of some entities that the viewer may be told of, in their order: what an error may name."""
        return [one for one in entity_ids if self.get(one) is not None]

    def record_tenants(self, kind: str) -> Sequence[str | None] | None:
        """Whose filed records of a kind to read (`RecordPage.tenant_ids`); each of them is asked `shown` still."""
        # An event of a tenant's private infrastructure is seen with that: every role's least.
        return self._tenants_for(listed_rule(self.viewer.permission_key, "Site" if kind == "Event" else kind))

    def audited_tenants(self) -> Sequence[str | None] | None:
        """Whose audit the viewer may read (`RecordPage.tenant_ids`); empty: nobody's."""
        may = self.viewer.may(Permission.READ_AUDIT)
        return self._tenants_for(Rule(self.viewer.tenants_with(Permission.READ_AUDIT), may))

    def _tenants_for(self, rule: Rule) -> Sequence[str | None] | None:
        if rule.whole:
            return None
        owned = self._reader.ids("Tenant") if rule.tenants is None else sorted(rule.tenants)
        return [*owned, None] if rule.unowned else list(owned)

    # How lists are made

    def _names(self, kind: str, rule: Rule) -> Sequence[str]:
        """What is seen of a named kind, ordered by name, then id; nothing in it depends on who asks but for people."""
        if kind in PERSONAL or not rule.unowned:
            return sorted(self.ids(kind), key=self._name_key)
        hidden = frozenset(chain.from_iterable(self._hidden(kind, rule)))
        base = self._reader.ids_by_name(kind)
        return [one for one in base if one not in hidden] if hidden else base

    def _hidden(self, kind: str, rule: Rule) -> list[Sequence[str]]:
        """The ids of a kind that belong to tenants which the rule leaves out, a list a tenant."""
        if rule.tenants is None:
            return []
        if isinstance(self._reader, View):
            return [ids for tenant, ids in self._reader.values(kind, "tenant_id").items() if tenant not in rule.tenants]
        others = (one for one in self._reader.ids("Tenant") if one not in rule.tenants)
        return [ids for one in others if (ids := self._reader.ids(kind, "tenant_id", one))]

    def _owned(self, kind: str, rule: Rule) -> list[Sequence[str]]:
        """The ids of a kind that belong to the rule's tenants, a list a tenant."""
        if rule.tenants is None and isinstance(self._reader, View):
            return list(self._reader.values(kind, "tenant_id").values())
        tenants = self._reader.ids("Tenant") if rule.tenants is None else sorted(rule.tenants)
        return [ids for one in tenants if (ids := self._reader.ids(kind, "tenant_id", one))]

    def _without(self, kind: str, base: Sequence[str], rule: Rule, *, whole: bool) -> Sequence[str]:
        """`base` but what belongs to other tenants: made from the shorter of both."""
        if whole:
            return self._kept(kind, ("ids", rule), lambda: self._but_hidden(kind, base, rule))
        hidden = self._hidden(kind, rule)
        if not hidden:
            return base
        if sum(map(len, hidden)) * FEW < len(base):
            left_out = [common for one in hidden if (common := in_both(one, base))]
            return Without(base, left_out) if left_out else base
        if len(base) < FEW:
            return [one for one in base if self.get(one) is not None]
        every = self._kept(kind, ("hidden", rule), lambda: frozenset(chain.from_iterable(hidden)))
        return [one for one in base if one not in every]

    def _within(self, kind: str, base: Sequence[str], rule: Rule, *, whole: bool) -> Sequence[str]:
        """What of `base` belongs to the rule's tenants: made from the shorter of both."""
        owned = self._owned(kind, rule)
        if not owned:
            return NOTHING
        mine = owned[0] if len(owned) == 1 else self._kept(kind, ("ids", rule), lambda: Merged(owned))
        if whole:
            return mine
        if len(mine) * 8 < len(base):
            return in_both(mine, base)
        return [one for one in base if self.get(one) is not None]

    def _but_hidden(self, kind: str, base: Sequence[str], rule: Rule) -> Sequence[str]:
        hidden = self._hidden(kind, rule)
        return Without(base, hidden) if hidden else base

    def _kept(self, kind: str, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, kept with the view until the kind's entities come or go; a change under way keeps nothing."""
        reader = self._reader
        return kept_of(reader).get(kind, key, make) if isinstance(reader, View) else make()

    def _name_key(self, entity_id: str) -> tuple[str, str]:
        entity = self._get(entity_id)
        assert isinstance(entity, Named)
        return entity.name, entity_id

    def _opens(self, cluster: Cluster) -> bool:
        return self.may_see_credentials(cluster) and self.sees(cluster)

    # People

    def _personal(self, kind: str, rule: Rule) -> Sequence[str]:
        """The tenants, people, bindings or tokens that the viewer sees, ascending; O(people of its tenants)."""
        me, reader = self.viewer.id, self._reader
        found: set[str] = set()
        if kind == "Tenant":
            found.update(self.viewer.tenant_ids or ())
        elif kind == "User":
            found.add(me)
            for binding in self._bindings(rule):
                found.add(binding.subject_id)
        else:
            own = {"RoleBinding": "subject_id", "ApiToken": "owner_id"}.get(kind)
            found.update(reader.ids(kind, own, me) if own is not None and me else (me,))
            for tenant in reader.ids("Tenant") if rule.tenants is None else rule.tenants:
                if kind == "ApiToken":
                    for account in reader.ids("ServiceAccount", "tenant_id", tenant):
                        found.update(reader.ids("ApiToken", "owner_id", account))
                else:
                    found.update(reader.ids(kind, "tenant_id", tenant))
        seen = ((one, self._get(one)) for one in found)
        return sorted(
            one for one, entity in seen if entity is not None and entity.SPEC.name == kind and self.sees(entity)
        )

    def _bindings(self, rule: Rule) -> Iterable[RoleBinding]:
        tenants = self._reader.ids("Tenant") if rule.tenants is None else rule.tenants
        for tenant in tenants:
            yield from each(self._reader, RoleBinding, "tenant_id", tenant)

    def _person_seen(self, user: User, rule: Rule) -> bool:
        """Whether it is the viewer, or bound in a tenant whose people the viewer reads."""
        if user.id == self.viewer.id:
            return True
        return any(
            one.tenant_id is not None and rule.admits(one.tenant_id)
            for one in each(self._reader, RoleBinding, "subject_id", user.id)
        )

    def _own_seen(self, owner_id: str, tenant_id: str | None) -> bool:
        """Whether it is the viewer's own and not of a tenant that its token shuts out."""
        mine = self.viewer.tenant_ids
        return (
            bool(owner_id) and owner_id == self.viewer.id and (tenant_id is None or mine is None or tenant_id in mine)
        )

    def _token_seen(self, token: ApiToken, rule: Rule) -> bool:
        if self._own_seen(token.owner_id, token.tenant_id):
            return True
        owner = self._get(token.owner_id)
        return isinstance(owner, ServiceAccount) and rule.admits(owner.tenant_id)

    def _event_seen(self, event: Event) -> bool:
        """With what it happened to; where that is gone, as one of its kind would be seen in the event's tenant.

        An event of a tenant about what is not that tenant's own, such as a shared site, tells of its workloads.
        """
        tenant, key = event.tenant_id, self.viewer.permission_key
        subject = self._get(event.subject_id) if event.subject_id is not None else None
        if subject is not None and tenant is not None and getattr(subject, "tenant_id", None) == tenant:
            return self.sees(subject)
        if not listed_rule(key, "Event").admits(tenant):
            return False
        if subject is not None:
            return self.sees(subject)
        kind = kind_by_id(event.subject_id) if event.subject_id is not None else None
        if kind is None or kind.name == "Event":
            return event.subject_id is None
        if kind.name in PERSONAL:
            return self.viewer.may(Permission.READ_PEOPLE, tenant)
        return listed_rule(key, kind.name).admits(tenant)


Show = Callable[[VisibleView, Entity], Entity | None]


@lru_cache(maxsize=4096)
def _rules_of(permission_key: PermissionKey) -> dict[type[Entity], Show | None]:
    """What is shown of an entity by its class, for viewers with these permissions; None: all of it, always."""
    return {
        kind.type: _show(kind.name, listed_rule(permission_key, kind.name), permission_key) for kind in KINDS.values()
    }


def _show(kind: str, rule: Rule, permission_key: PermissionKey) -> Show | None:
    if kind == "Cluster":
        return None if Permission.WRITE_INFRASTRUCTURE in held_everywhere(permission_key) else _show_cluster(rule)
    if kind == "Event":
        return lambda view, entity: entity if isinstance(entity, Event) and view._event_seen(entity) else None
    if rule.whole:
        return None
    if kind == "Tenant":
        return lambda view, entity: entity if entity.id in (view.viewer.tenant_ids or ()) else None
    if kind == "User":
        return lambda view, entity: entity if isinstance(entity, User) and view._person_seen(entity, rule) else None
    if kind == "ServiceAccount":
        return lambda view, entity: (
            entity
            if isinstance(entity, ServiceAccount) and (entity.id == view.viewer.id or rule.admits(entity.tenant_id))
            else None
        )
    if kind == "RoleBinding":
        return lambda view, entity: (
            entity
            if isinstance(entity, RoleBinding)
            and (view._own_seen(entity.subject_id, entity.tenant_id) or rule.admits(entity.tenant_id))
            else None
        )
    if kind == "ApiToken":
        return lambda view, entity: entity if isinstance(entity, ApiToken) and view._token_seen(entity, rule) else None
    return _show_owned(rule)


def _show_owned(rule: Rule) -> Show:
    tenants, unowned = rule.tenants, rule.unowned

    def show(view: VisibleView, entity: Entity) -> Entity | None:
        tenant: str | None = entity.tenant_id  # type: ignore[attr-defined]  # every kind but those with rules of their own
        if tenant is None:
            return entity if unowned else None
        return entity if tenants is None or tenant in tenants else None

    return show


def _show_cluster(rule: Rule) -> Show:
    def show(view: VisibleView, entity: Entity) -> Entity | None:
        assert isinstance(entity, Cluster)
        if not rule.admits(entity.tenant_id):
            return None
        if view.may_see_credentials(entity) or (entity.credentials_id is None and not entity.configuration):
            return entity
        return msgspec.structs.replace(entity, credentials_id=None, configuration={})

    return show


def visibility_changed(commit: Commit, viewer: Viewer, *, kinds: Iterable[str] | None = None) -> bool:
    """Whether a commit may have changed what a viewer sees without those entities changing themselves, so that a
    subscription must begin anew (and ask first whether the viewer still is one).

    `kinds` are those that the subscription shows, all when not given: people are seen by their bindings, so a stream that
    shows people is concerned by the bindings of others too.
    """
    if concerns(commit, viewer):
        return True
    if kinds is not None and PERSONAL.isdisjoint(kinds):
        return False
    people = viewer.tenants_with(Permission.READ_PEOPLE)
    if not people:
        return False
    return any(
        isinstance(one.value, RoleBinding) and one.value.tenant_id in people
        for one in commit.changes
        if one.kind == "RoleBinding"
    )


def require_seen(view: VisibleView, entity: type[Entity], fields: Mapping[str, object], *, path: str = "input") -> None:
    """Raises NotFound when one of an input's references names what the viewer does not see.

    `fields` are the kind's fields as they are given to `Edit.create` or `replace`. Without this check a caller could have
    the server use, on its behalf, what it cannot read itself: another's secret in a cluster of its own.
    """
    for field in entity.SPEC.refs:
        given = fields.get(field.name)
        if not given or field.ref is None:
            continue
        for target in (given,) if isinstance(given, str) else tuple(given):  # type: ignore[arg-type]  # list or dict of ids
            found = view.get(target)
            if found is None or found.SPEC.name not in field.ref.kinds:
                head, *rest = field.name.split("_")
                where = head + "".join(part.capitalize() for part in rest)
                raise NotFound(" or ".join(field.ref.kinds), str(target), path=f"{path}.{where}")
