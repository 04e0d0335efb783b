"""The lifecycle's limits and delays, each with the default that a server starts with.

None of them decides what is right: they bound how much is done at once, how often it is tried, and how soon it is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LifecycleSettings:
    """How much at once, how often, how soon. Seconds, unless the name says otherwise."""

    concurrency: int = 64
    """Driver calls at once."""
    concurrency_per_cluster: int = 32
    concurrency_per_site: int = 4
    calls_per_s: float = 0.0
    """Driver calls that may begin a second at one endpoint, over all workers, unless its cluster has a number; 0: any."""
    call_timeout_s: float = 30.0
    """A driver call that takes longer is given up; whether it happened is found out by repeating it."""
    backoff_base_s: float = 0.5
    """The pause after the first failed try; it doubles with each."""
    backoff_cap_s: float = 300.0
    quarantine_after: int = 8
    """Errors in a row, of a site that answers, until a release is quarantined."""
    breaker_after: int = 3
    """Calls in a row that a site leaves unanswered until it is left alone for a while."""
    resync_s: float = 60.0
    """How often everything is compared again, whatever rang or did not."""
    takeover_s: float = 35.0
    """How long another process's claim must stand still before it is taken over, where processes share a store and it is
    not known that the other one is gone."""
    handover_s: float = 2.0
    """How long an observer that was deposed by another process waits before it asks whether the cluster is still its own."""
    down_after_s: float = 2.0
    """How long a site, node or cluster must be away until that is written down."""
    up_after_s: float = 0.5
    """How long it must be back until that is written down."""
    silence_s: float = 30.0
    """How long a backend may say nothing while it is connected to or observed, until it counts as not answering. Longer
    than `drivers.port.WATCH_S`, for which an observation may wait for a change."""
    observation_s: float = 600.0
    """How long a connection may take to be made, and an observation to be told, part by part."""
    disconnect_s: float = 10.0
    """How long a connection may take to be closed until that is given up, and it is left behind if it does not end then
    either (`lifecycle.lingering`)."""
    reconnect_cap_s: float = 20.0
    """The longest pause between two tries to connect to a cluster."""
    bookkeeping_s: float = 0.02
    """How long changes of releases are gathered before operations and deployments are brought up to date."""
    placement_attempts: int = 3
    """How often a decision is made anew when its capacity was gone at head."""
    placements_at_once: int = 2
    pending_retry_s: float = 1.0
    """The pause before a deployment that could not be placed is tried again; it doubles with each try."""
    pending_retry_cap_s: float = 60.0
    failover_settle_s: float = 5.0
    """How long every loss is waited out at least before anything is moved, so that a mass loss is seen as one."""
    failover_plan_s: float = 86_400.0
    """How long a plan that is proposed or reported can be applied or looked at."""
    flaps_an_hour: int = 3
    """How often a place may be lost within an hour until its losses are waited out for longer."""
    flap_wait_s: float = 30.0
    """The least that is doubled with each loss beyond that."""
    flap_wait_cap_s: float = 3_600.0
    mass_loss_share: float = 0.2
    """Automatic moves are held when more than this share of all sites, and more than `mass_loss_least`, is lost at once."""
    mass_loss_region_share: float = 0.5
    """The same of the sites of one region, for moves from there."""
    mass_loss_least: int = 3
    mass_loss_window_s: float = 300.0
    """Within which sites are lost at once."""
    results_per_commit: int = 256
    scaling_every_s: float = 15.0
    """How often it is looked whether replicas that follow a measurement are to be more or fewer."""
    samples_timeout_s: float = 10.0
    """A question for samples that takes longer is given up."""
    samples_round_s: float = 15.0
    """How long a round asks for samples: what had no turn by then comes first in the next."""
    samples_stale_s: float = 60.0
    """How long without a new sample until nothing is scaled by the old one."""
    cpu_initialisation_s: float = 300.0
    """For how long a replica may be initialising: what CPU it uses before it is ready does not count."""
    initial_readiness_s: float = 30.0
    """What is not ready and last changed within so long of its beginning never was ready."""
    scaling_looks: int = 96
    """Decisions of a round about where there is room for more replicas; what is left comes first in the next."""
    scaling_room_s: float = 60.0
    """How long a site that had no room for more replicas is not looked at for that again."""
    package_retention_ms: int = 7 * 86_400_000
    """How long a package is kept that no component refers to."""
    seed: int = 0
    """Of the jitter of back-off."""
