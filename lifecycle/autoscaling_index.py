"""Which releases are scaled, kept from commits: a round looks at those of its own sites and at nothing else.

Walking from the policies to their deployments and on to all of their releases costs every process the whole graph's every
few seconds, whatever its share is and whatever has changed. Here a change costs what it concerns: a release its own
policy, a policy its deployment's releases once.
"""

from __future__ import annotations

from collections.abc import Mapping

from graph.change import Commit
from graph.entity import Entity
from graph.kinds import Component, Deployment, Release, ScalingPolicy, SiteScaling
from graph.view import View, each, get_as
from lifecycle.autoscaling_targets import Target, held
from lifecycle.share import Share

At = tuple[str, str]
"""A policy's id and a site's."""


class Scaled:
    """A `Follower` of the view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._policies: dict[tuple[str, str], str] = {}
        """By deployment and component name the policy."""
        self._of: dict[str, tuple[str, str]] = {}
        """By policy its deployment and component name."""
        self._followed: dict[str, int] = {}
        """By deployment how many policies it has."""
        self._at_site: dict[str, dict[str, str]] = {}
        """By site its releases that are wanted of scaled components, with their policies."""
        self._there: dict[tuple[str, str], set[str]] = {}
        """By deployment and site all its releases, of deployments with policies."""
        self._known: dict[str, tuple[str, str, str | None]] = {}
        """By release its deployment, its site, and its policy while it is wanted of a scaled component."""
        self._here: dict[At, int] = {}
        """How many such releases a policy has at a site."""
        self._standings: dict[At, str] = {}
        self._stands_at: dict[str, At] = {}
        self.reloaded()

    def reloaded(self) -> None:
        """Begins anew."""
        for table in (self._policies, self._of, self._followed, self._at_site, self._there, self._known):
            table.clear()
        for other in (self._here, self._standings, self._stands_at):
            other.clear()
        for policy in each(self._view, ScalingPolicy):
            self._learn_policy(policy)
        for standing in each(self._view, SiteScaling):
            self._learn_standing(standing)

    def applied(self, commit: Commit) -> None:
        """Takes in what has changed."""
        for change in commit.changes:
            before, after = change.before, change.after
            if change.kind == "Release":
                if _asked(before) != _asked(after):
                    self._forget_release(change.id)
                    if isinstance(after, Release):
                        self._learn_release(after)
            elif change.kind == "ScalingPolicy":
                self._learn_anew(change.id, after)
            elif change.kind == "SiteScaling":
                at = self._stands_at.pop(change.id, None)
                if at is not None and self._standings[at] == change.id:
                    del self._standings[at]
                if isinstance(after, SiteScaling):
                    self._learn_standing(after)
            elif isinstance(before, Component) and isinstance(after, Component) and before.name != after.name:
                for release in each(self._view, Release, "component_id", change.id):
                    self._forget_release(release.id)
                    self._learn_release(release)

    def targets(self, share: Share) -> list[Target]:
        """What is scaled at the sites of a share, by policy and release."""
        found = []
        view = self._view
        for site_id, some in self._at_site.items():
            if not share.holds(site_id):
                continue
            for release_id, policy_id in some.items():
                release = get_as(view, Release, release_id)
                policy = get_as(view, ScalingPolicy, policy_id)
                if release is None or policy is None or release.retires_after is not None or release.standby:
                    continue
                deployment = get_as(view, Deployment, release.deployment_id)
                component = get_as(view, Component, release.component_id)
                if deployment is None or component is None:
                    continue
                standing = get_as(view, SiteScaling, self._standings.get((policy_id, site_id)))
                why = held(deployment, release, component)
                found.append(Target(policy, deployment, component, release, standing, why))
        found.sort(key=lambda one: (one.policy.id, one.release.id))
        return found

    def left_behind(self, share: Share) -> list[str]:
        """Standings at sites of a share where the component is not any more."""
        return sorted(
            standing_id for at, standing_id in self._standings.items() if at not in self._here and share.holds(at[1])
        )

    def staying(self, deployment_id: str, site_id: str) -> Mapping[str, Release]:
        """The releases of a deployment with policies that are to stay at a site, by component name."""
        found = {}
        for release_id in sorted(self._there.get((deployment_id, site_id), ())):
            release = get_as(self._view, Release, release_id)
            if release is None or not release.stays:
                continue
            component = get_as(self._view, Component, release.component_id)
            if component is not None:
                found[component.name] = release
        return found

    # What is learnt

    def _learn_anew(self, policy_id: str, after: Entity | None) -> None:
        asked = (after.deployment_id, after.component) if isinstance(after, ScalingPolicy) else None
        before = self._of.get(policy_id)
        if asked == before:
            return
        if before is not None:
            del self._of[policy_id]
            if self._policies[before] == policy_id:
                del self._policies[before]
            self._followed[before[0]] -= 1
            if not self._followed[before[0]]:
                del self._followed[before[0]]
            self._learn_releases(before[0])
        if isinstance(after, ScalingPolicy):
            self._learn_policy(after)

    def _learn_policy(self, policy: ScalingPolicy) -> None:
        asked = policy.deployment_id, policy.component
        self._of[policy.id] = asked
        self._policies[asked] = policy.id
        self._followed[policy.deployment_id] = self._followed.get(policy.deployment_id, 0) + 1
        self._learn_releases(policy.deployment_id)

    def _learn_releases(self, deployment_id: str) -> None:
        for release in each(self._view, Release, "deployment_id", deployment_id):
            self._forget_release(release.id)
            self._learn_release(release)

    def _learn_standing(self, standing: SiteScaling) -> None:
        at = standing.policy_id, standing.site_id
        self._standings[at] = standing.id
        self._stands_at[standing.id] = at

    def _learn_release(self, release: Release) -> None:
        if release.deployment_id not in self._followed:
            return
        self._there.setdefault((release.deployment_id, release.site_id), set()).add(release.id)
        policy_id = None
        if release.wanted:
            component = get_as(self._view, Component, release.component_id)
            if component is not None:
                policy_id = self._policies.get((release.deployment_id, component.name))
        self._known[release.id] = release.deployment_id, release.site_id, policy_id
        if policy_id is not None:
            self._at_site.setdefault(release.site_id, {})[release.id] = policy_id
            at = policy_id, release.site_id
            self._here[at] = self._here.get(at, 0) + 1

    def _forget_release(self, release_id: str) -> None:
        known = self._known.pop(release_id, None)
        if known is None:
            return
        deployment_id, site_id, policy_id = known
        beside = self._there[deployment_id, site_id]
        beside.discard(release_id)
        if not beside:
            del self._there[deployment_id, site_id]
        if policy_id is None:
            return
        here = self._at_site[site_id]
        del here[release_id]
        if not here:
            del self._at_site[site_id]
        at = policy_id, site_id
        self._here[at] -= 1
        if not self._here[at]:
            del self._here[at]


def _asked(release: Entity | None) -> tuple[object, ...] | None:
    """What of a release decides where it is found."""
    return (release.component_id, release.wanted) if isinstance(release, Release) else None
