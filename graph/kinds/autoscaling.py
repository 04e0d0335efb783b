"""Replicas that follow what is measured: what is asked of a component, and where each of its sites stands.

What people want and what the loop makes of it are apart. A policy is a user's; a site's standing is the loop's, and has the
number that the loop gave that site, so that neither a person's change of the deployment nor the loop's takes the other's
place. Samples are not kept: a standing changes when a number, a reason or a silence does, not with every measurement.
"""

from __future__ import annotations

import enum
import math
import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from graph.entity import HIDDEN, IMMUTABLE, INDEXED, MANAGED, Area, Entity, Named, Ref, TimestampMs, doc, kind
from graph.kinds.apps import Component
from graph.kinds.deployments import Deployment
from graph.refusal import AlreadyExists, InvalidInput, NotFound
from graph.values import Count

if TYPE_CHECKING:
    from graph.view import Reader

MAX_STEPS = 10
MAX_PERIOD_S = 1_800
MAX_WINDOW_S = 3_600
MAX_REPLICAS = 1_000
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class ScalingMetric(enum.Enum):
    """What replicas follow."""

    CPU_UTILIZATION = "CPU_UTILIZATION"
    """CPU in use, as a percentage of what the replicas ask for."""
    REQUESTS_PER_SECOND = "REQUESTS_PER_SECOND"
    """Requests a second for each replica."""


class ScalingStepUnit(enum.Enum):
    """In what a step of scaling is counted."""

    PODS = "PODS"
    """Replicas."""
    PERCENT = "PERCENT"
    """Percent of the replicas at the beginning of the period."""


class ScalingSelection(enum.Enum):
    """Which of several steps counts."""

    MAX = "MAX"
    """The one that allows the largest change."""
    MIN = "MIN"
    """The one that allows the smallest change."""
    DISABLED = "DISABLED"
    """Nothing is scaled in this direction."""


class ScalingLimit(enum.Enum):
    """Why a site has another number of replicas than its measurements ask for, or none was worked out."""

    NONE = "NONE"
    """It has what is asked for."""
    MIN_REPLICAS = "MIN_REPLICAS"
    """The policy's least number."""
    MAX_REPLICAS = "MAX_REPLICAS"
    """The policy's greatest number."""
    RATE = "RATE"
    """The behaviour's steps allow no more in this period."""
    STABILISATION = "STABILISATION"
    """Another number was asked for within the window."""
    DISABLED = "DISABLED"
    """The behaviour does not scale in this direction."""
    ROOM = "ROOM"
    """There is no room for more at the site."""
    NO_SAMPLES = "NO_SAMPLES"
    """Nothing was measured lately; nothing is done."""
    HELD = "HELD"
    """The deployment or the site is not scaled now; the message says why."""


class ScalingStep(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How much may change within a period."""

    unit: Annotated[ScalingStepUnit, doc("In what it is counted.")]
    value: Annotated[int, msgspec.Meta(ge=1, le=100_000, description="How much may change; above 0.")]
    period_s: Annotated[int, msgspec.Meta(ge=1, le=MAX_PERIOD_S, description="Within so many seconds, 1-1800.")]


class ScalingBehaviour(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How fast replicas follow in one direction. What is left out is as the Kubernetes HorizontalPodAutoscaler has it."""

    stabilisation_s: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=MAX_WINDOW_S)] | None,
        doc(
            "The most careful of the numbers that were asked for in so many seconds counts, 0-3600; none: 0 when replicas "
            "are added, 300 when they are taken away."
        ),
    ] = None
    selection: Annotated[ScalingSelection, doc("Which of several steps counts.")] = ScalingSelection.MAX
    steps: Annotated[
        list[ScalingStep],
        msgspec.Meta(
            max_length=MAX_STEPS,
            description="What may change within a period; none: twice as many or 4 more in 15 s when replicas are added, "
            "all but the least number in 15 s when they are taken away.",
        ),
    ] = []


class PrometheusQuery(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where a Prometheus server is asked, and what."""

    endpoint: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=63,
            description="The name of a server that the operator declared (the setting metricsEndpoints) for this tenant.",
        ),
    ]
    query: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=4096,
            description="PromQL that gives one value for each site, of all replicas there together: cores in use with "
            "CPU_UTILIZATION, requests a second with REQUESTS_PER_SECOND.",
        ),
    ]
    site_label: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=128,
            description="The label of a result that has the site's id, or its name where the tenant has one site of that "
            "name. An id is the same site for good; a name is another's once sites are renamed.",
        ),
    ] = "site"


class ScaleChange(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One change of a site's replicas by the loop."""

    at: Annotated[TimestampMs, doc("When.")]
    before: Annotated[Count, doc("Replicas before.")]
    after: Annotated[Count, doc("Replicas after.")]
    why: Annotated[str | None, doc("What was measured and wanted then, and what limited it, in words.")] = None


@kind(prefix="scalingpolicy", area=Area.WORKLOAD, scope=("deployment_id",))
class ScalingPolicy(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Replicas of a deployment's component that follow, at each site, what is measured there."""

    tenant_id: Annotated[
        str,
        doc("The tenant that owns it; its deployment's."),
        IMMUTABLE,
        Ref("Tenant", relation="BELONGS_TO", owner=True),
    ]
    deployment_id: Annotated[str, doc("The deployment."), IMMUTABLE, Ref("Deployment", relation="SCALES", owner=True)]
    component: Annotated[str, msgspec.Meta(min_length=1, max_length=253, description="The component's name.")]
    metric: Annotated[ScalingMetric, doc("What its replicas follow.")]
    target: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            le=1_000_000_000,
            description="What each replica is to have of it: percent of the CPU that it asks for, or requests a second.",
        ),
    ]
    min_replicas: Annotated[
        int, msgspec.Meta(ge=1, le=MAX_REPLICAS, description="The least number at each site, 1-1000.")
    ] = 1
    max_replicas: Annotated[
        int, msgspec.Meta(ge=1, le=MAX_REPLICAS, description="The greatest number at each site, 1-1000.")
    ]
    tolerance: Annotated[
        float, msgspec.Meta(ge=0, le=1, description="Within this part of the target nothing is changed; 0-1.")
    ] = 0.1
    scale_up: Annotated[ScalingBehaviour, doc("How fast replicas are added.")] = ScalingBehaviour()
    scale_down: Annotated[ScalingBehaviour, doc("How fast replicas are taken away.")] = ScalingBehaviour()
    prometheus: Annotated[
        PrometheusQuery | None, doc("The Prometheus server that measures; none: each site's own backend does.")
    ] = None

    def check(self, reader: Reader, *, path: str) -> None:
        """The bounds are in order, the component is there, and nothing else scales it."""
        if self.max_replicas < self.min_replicas:
            raise InvalidInput(
                f"at least {self.min_replicas} and at most {self.max_replicas} replicas cannot both be",
                remedy="raise maxReplicas or lower minReplicas",
                path=f"{path}.maxReplicas",
            )
        if not math.isfinite(self.target):
            raise InvalidInput("a target is a number", remedy="give one above 0", path=f"{path}.target")
        if self.prometheus is not None and not _LABEL.fullmatch(self.prometheus.site_label):
            raise InvalidInput(
                f"{self.prometheus.site_label!r} is no label of Prometheus",
                remedy="use letters, digits and underscores",
                path=f"{path}.prometheus.siteLabel",
            )
        deployment = reader.get(self.deployment_id)
        if not isinstance(deployment, Deployment):
            raise NotFound("Deployment", self.deployment_id, path=f"{path}.deploymentId")
        if deployment.policy.division is not None:
            raise InvalidInput(
                "the deployment's replicas are totals that are divided over its sites",
                remedy="scale a deployment with a number for each site",
                path=f"{path}.deploymentId",
            )
        names = _components(reader, deployment.app_version_id)
        before = reader.find("ScalingPolicy", self.name, self.deployment_id)
        known = isinstance(before, ScalingPolicy) and before.component == self.component
        if self.component not in names and not known:
            raise InvalidInput(
                f"there is no component {self.component!r}",
                remedy=f"use one of {', '.join(sorted(names)) or 'those of another version'}",
                path=f"{path}.component",
            )
        for other_id in reader.ids("ScalingPolicy", "deployment_id", self.deployment_id):
            other = reader.get(other_id)
            if isinstance(other, ScalingPolicy) and other.id != self.id and other.component == self.component:
                raise AlreadyExists(
                    f"{self.component!r} is scaled by the policy {other.name!r} already",
                    existing_id=other.id,
                    path=f"{path}.component",
                )


def _components(reader: Reader, version_id: str) -> set[str]:
    found: set[str] = set()
    for one in reader.ids("Component", "app_version_id", version_id):
        component = reader.get(one)
        if isinstance(component, Component):
            found.add(component.name)
    return found


@kind(prefix="sitescaling", area=Area.WORKLOAD)
class SiteScaling(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where the scaling of a component stands at one site."""

    tenant_id: Annotated[
        str, doc("The tenant that owns it."), IMMUTABLE, MANAGED, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    policy_id: Annotated[
        str,
        doc("The policy that is followed."),
        IMMUTABLE,
        MANAGED,
        Ref("ScalingPolicy", relation="FOLLOWS", goes_along=True, reverse="sites"),
    ]
    site_id: Annotated[
        str,
        doc("The site."),
        IMMUTABLE,
        MANAGED,
        Ref("Site", relation="SCALED_AT", goes_along=True, reverse="scalings"),
    ]
    deployment_id: Annotated[
        str | None,
        doc("The deployment whose component it is."),
        MANAGED,
        Ref("Deployment", relation="SCALED_FOR", goes_along=True, reverse="siteScalings"),
    ] = None
    replicas: Annotated[
        Count | None, doc("The number that was given to the site; none: it has the deployment's own."), MANAGED
    ] = None
    desired: Annotated[
        Count | None, doc("The number that its measurements ask for within the policy's bounds."), MANAGED
    ] = None
    value: Annotated[
        float | None,
        doc(
            "What was measured when this was last written: percent of the CPU asked for, or requests a second a replica."
        ),
        MANAGED,
    ] = None
    limited_by: Annotated[ScalingLimit, doc("Why it has another number than is asked for."), MANAGED, INDEXED] = (
        ScalingLimit.NONE
    )
    message: Annotated[str | None, doc("The same in words."), MANAGED] = None
    stale_since: Annotated[
        TimestampMs | None, doc("Since when nothing new was measured; none: it is measured."), MANAGED
    ] = None
    last_change: Annotated[ScaleChange | None, doc("The last change of its replicas by the policy."), MANAGED] = None
    changes: Annotated[
        list[ScaleChange], doc("Its changes within the longest period of the policy's steps."), MANAGED, HIDDEN
    ] = []
