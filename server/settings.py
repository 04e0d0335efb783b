"""The settings of the server, declared once.

One class holds every setting with its type, default, bounds and description. From it derive the file's keys, the
environment's variables, the flags of the command line (settings_flags.py) and the page docs/settings.md
(settings_docs.py): a setting that is declared here exists in all of them, and in none with another default. A wrong
value stops the start with the setting, where the value came from and what to do; it is never replaced by a default in
silence, for a server that runs on other limits than its operator wrote is worse than one that does not start.

Where their values come from: settings_sources.py. What they must be together: settings_together.py.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lifecycle.metrics_endpoints import MetricsEndpoint, WrongEndpoint
from lifecycle.nats_servers import servers_of, without_passwords
from server.settings_store import StoreTarget, parse_store
from server.settings_together import check_together
from server.settings_values import Declaration, SettingWrong, expanded, text_of

SECTIONS = {
    "storage": "Where things are kept",
    "listen": "Listening",
    "demo": "Demonstration",
    "observe": "Logs and traces",
    "limits": "What one caller may ask",
    "retention": "What is kept, and for how long",
    "work": "Work on the sites",
}
"""The tables of the settings file, with their titles."""
HOUR_DAYS = 0.0417
"""An hour, as it is written in days."""


def _of(
    section: str, description: str, *, unit: str = "", secret: bool = False, demo: object = None, **bounds: Any
) -> Meta:
    """What is declared of a setting beside its type and default: `demo` is the default while the demonstration runs.

    A secret has no flag: arguments are public.
    """
    extra = {"section": section, "unit": unit, "secret": secret, "demo_default": demo}
    return Meta(description=description, extra=extra, **bounds)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, checked. Made by `load`, or with keyword arguments by whoever has them already (tests)."""

    # Where things are kept
    data_dir: Annotated[
        Path, _of("storage", "The folder of the embedded store and of what the server keeps beside it.")
    ] = Path("$XDG_DATA_HOME/edgeatlas")
    store: Annotated[
        str,
        _of(
            "storage",
            'Where the graph is kept: "" is SQLite in the data folder, sqlite:///path another file; bolt://user@host:port '
            "is a Neo4j server, neo4j://user@host:port a Neo4j cluster (+s for TLS).",
        ),
    ] = ""
    store_password: Annotated[
        str, _of("storage", "The store's password, when its URL has none. Has no flag.", secret=True)
    ] = ""
    store_password_file: Annotated[
        Path | None, _of("storage", "A file that holds the store's password, read at the start.")
    ] = None
    package_store: Annotated[
        str,
        _of(
            "storage",
            'Where the bytes of packages are kept: "" is the folder `packages` in the data folder, /path another folder, '
            "s3://bucket/prefix an S3-compatible store (with edgeatlas[s3]), whose keys and endpoint come from the "
            "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL). The same for all processes of one "
            "graph.",
        ),
    ] = ""
    key_file: Annotated[
        Path,
        _of(
            "storage",
            "The file of the key that encrypts secrets at rest: made at the first start, readable by its owner only, and "
            "outside the data folder, so that a copy of that folder gives no secret away.",
        ),
    ] = Path("$XDG_CONFIG_HOME/edgeatlas/key")

    # Listening
    host: Annotated[str, _of("listen", "The address to listen on.", min_length=1)] = "127.0.0.1"
    port: Annotated[int, _of("listen", "The port to listen on; 0 takes a free one.", ge=0, le=65535)] = 8800
    tls_certificate: Annotated[Path | None, _of("listen", "A PEM file with the certificate and its chain.")] = None
    tls_key: Annotated[Path | None, _of("listen", "A PEM file with the certificate's private key.")] = None
    allow_plain_http: Annotated[
        bool, _of("listen", "Listen on other than loopback without TLS, as behind a proxy that ends TLS.")
    ] = False
    public_url: Annotated[
        str,
        _of(
            "listen",
            "The URL under which browsers reach the server, when it is not the one it listens on.",
            pattern=r"^(https?://[^/?#@\s]+)?/?$",
        ),
    ] = ""
    allowed_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^https?://[^/?#@*\s]+$")], ...],
        _of("listen", "Origins beside the server's own from which pages may call it: https://host[:port], never *."),
    ] = ()
    ui: Annotated[
        Literal["auto", "require", "off"],
        _of("listen", "Whether to build the web pages when they are missing or old: when possible, always, or never."),
    ] = "auto"
    ui_dist: Annotated[
        Path | None,
        _of(
            "listen",
            "A folder with web pages that were built elsewhere (`edgeatlas ui build --out FOLDER`), served as they are; "
            "then none are built here.",
        ),
    ] = None

    # Demonstration
    demo: Annotated[
        bool,
        _of(
            "demo",
            "Load a European backbone with sites and apps, and keep changing things; keeps less of the past, as told below.",
        ),
    ] = False
    demo_rate: Annotated[float, _of("demo", "Changes of the demonstration per second.", unit="1/s", ge=0, le=100)] = 1.0

    # Logs, metrics and traces
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _of("observe", "The least level that is logged.")
    ] = "info"
    log_format: Annotated[Literal["console", "json"], _of("observe", "Logs for people, or one JSON object a line.")] = (
        "console"
    )
    otlp_endpoint: Annotated[
        str,
        _of(
            "observe",
            'Where traces go by OTLP over HTTP, such as http://127.0.0.1:4318; "" makes none.',
            pattern=r"^(https?://\S+)?$",
        ),
    ] = ""

    # What one caller may ask
    max_body_bytes: Annotated[int, _of("limits", "The largest request.", unit="bytes", ge=1024, le=2**30)] = 256 * 2**10
    max_documents_bytes: Annotated[
        int, _of("limits", "The largest request of a caller who may apply documents.", unit="bytes", ge=1024, le=2**30)
    ] = 32 * 2**20
    max_package_bytes: Annotated[
        int, _of("limits", "The largest package that is uploaded.", unit="bytes", ge=1024, le=2**30)
    ] = 50 * 2**20
    package_quota_bytes: Annotated[
        int, _of("limits", "The most bytes of all packages of a tenant.", unit="bytes", ge=0, le=2**50)
    ] = 5 * 2**30
    uploads_at_once: Annotated[int, _of("limits", "The most uploads at the same time.", ge=1, le=1_000)] = 8
    max_depth: Annotated[int, _of("limits", "The deepest nesting of a query.", ge=3, le=100)] = 12
    max_aliases: Annotated[int, _of("limits", "The most aliases of a query.", ge=0, le=10_000)] = 30
    max_tokens: Annotated[int, _of("limits", "The most tokens of a query.", ge=100, le=1_000_000)] = 2_000
    max_cost: Annotated[
        int, _of("limits", "The most fields that a query may ask for, counting list sizes.", ge=100, le=10**9)
    ] = 50_000
    execution_timeout_s: Annotated[
        float, _of("limits", "The longest that a query or mutation may take.", unit="s", gt=0, le=600)
    ] = 10.0
    page_size_max: Annotated[int, _of("limits", "The most items of a page.", ge=1, le=10_000)] = 500
    subscriptions_per_connection: Annotated[
        int, _of("limits", "The most subscriptions of a WebSocket.", ge=1, le=10_000)
    ] = 20
    connections_per_user: Annotated[int, _of("limits", "The most WebSockets of a user.", ge=1, le=100_000)] = 50
    heartbeat_s: Annotated[float, _of("limits", "The longest silence of a subscription.", unit="s", ge=1, le=300)] = (
        15.0
    )
    session_hours: Annotated[
        float, _of("limits", "How long a browser stays signed in.", unit="h", gt=0, le=24 * 365)
    ] = 12.0

    # What is kept, and for how long
    log_retention_days: Annotated[
        float,
        _of(
            "retention",
            "How long commits are kept for history and resuming.",
            unit="days",
            demo=HOUR_DAYS,
            gt=0,
            le=36_500,
        ),
    ] = 7.0
    log_retention_commits: Annotated[int, _of("retention", "The most commits that are kept.", ge=1_000)] = 1_000_000
    event_retention_days: Annotated[
        float, _of("retention", "How long events are kept.", unit="days", demo=1.0, gt=0, le=36_500)
    ] = 7.0
    operation_retention_days: Annotated[
        float, _of("retention", "How long finished operations are kept.", unit="days", demo=1.0, gt=0, le=36_500)
    ] = 30.0
    revisions_per_deployment: Annotated[
        int,
        _of(
            "retention",
            "How many revisions of each deployment are kept, with the decisions that placed them: the newest, and what is "
            "still in use. Those of a deployment that is gone are kept as long as the operations on it.",
            ge=1,
            le=1_000,
        ),
    ] = 20
    package_retention_days: Annotated[
        float,
        _of(
            "retention",
            "How long a package is kept that no component refers to, or has referred to since.",
            unit="days",
            ge=HOUR_DAYS,
            le=36_500,
        ),
    ] = 7.0
    audit_retention_days: Annotated[
        float, _of("retention", "How long the audit is kept, apart from the commits.", unit="days", gt=0, le=36_500)
    ] = 365.0
    idempotency_retention_days: Annotated[
        float, _of("retention", "How long idempotency keys are remembered.", unit="days", ge=1, le=36_500)
    ] = 7.0

    # Work on the sites
    nats: Annotated[
        str,
        _of(
            "work",
            "The NATS servers with JetStream over which processes on one Neo4j share the work: nats://user@host:port "
            '(tls:// for TLS), several with commas between; "" is none, and then each process works on everything.',
        ),
    ] = ""
    nats_password: Annotated[
        str, _of("work", "The password for NATS, where its URL has a user alone. Has no flag.", secret=True)
    ] = ""
    nats_name: Annotated[
        str,
        _of(
            "work",
            "What this installation is called at NATS: one for each graph that shares the servers.",
            pattern=r"^[a-z0-9-]{1,40}$",
        ),
    ] = "edgeatlas"
    nats_replicas: Annotated[
        int, _of("work", "On how many NATS servers the workers' leases are kept: 3 for a cluster of three.", ge=1, le=5)
    ] = 1
    workers_inside: Annotated[
        bool,
        _of("work", "Whether `serve` works on the sites itself; false leaves that to `edgeatlas worker` processes."),
    ] = True
    worker_port: Annotated[
        int,
        _of(
            "work",
            "The port on which `edgeatlas worker` answers /livez, /readyz and /metrics; 0: none.",
            ge=0,
            le=65535,
        ),
    ] = 0
    placement_kept_bytes: Annotated[
        int,
        _of(
            "work",
            "What a process keeps of what placing searched for (distances, room, what labels match) for the next "
            "decisions at most; with less they take longer, and are the same.",
            unit="bytes",
            ge=0,
            le=2**40,
        ),
    ] = 256 * 2**20
    worker_concurrency: Annotated[int, _of("work", "The most releases worked on at once.", ge=1, le=10_000)] = 32
    calls_per_second: Annotated[
        float,
        _of(
            "work",
            "The most driver calls that begin a second at one endpoint, over all workers, unless its cluster has a number "
            "of its own; 0: any number.",
            unit="1/s",
            ge=0,
            le=1_000_000,
        ),
    ] = 0.0
    mass_loss_share: Annotated[
        float,
        _of(
            "work",
            "Nothing is moved by itself once more than this share of all sites, and more than 3, is lost within 5 minutes.",
            ge=0,
            le=1,
        ),
    ] = 0.2
    mass_loss_region_share: Annotated[
        float, _of("work", "The same share of the sites of one region, for what is moved from there.", ge=0, le=1)
    ] = 0.5
    scaling_every_s: Annotated[
        float,
        _of(
            "work",
            "How often it is looked whether replicas that follow a measurement are to be more or fewer.",
            unit="s",
            ge=1,
            le=3_600,
        ),
    ] = 15.0
    metrics_endpoints: Annotated[
        tuple[str, ...],
        _of(
            "work",
            "The Prometheus servers that scaling policies may name: TENANT/NAME=URL with the id of a tenant, or */NAME=URL "
            "for every tenant. Who may name a server may ask it anything. The URL is without credentials, query and "
            "fragment.",
        ),
    ] = ()
    shutdown_grace_s: Annotated[
        float, _of("work", "How long requests and work may take to finish at a stop.", unit="s", ge=0, le=600)
    ] = 10.0

    def __post_init__(self) -> None:
        """Expand paths and check what settings must be together. Raises SettingWrong."""
        for declared in declarations():
            value = getattr(self, declared.name)
            if isinstance(value, Path):
                msgspec.structs.force_setattr(self, declared.name, expanded(value, environment=os.environ))
        check_together(self)

    def __repr__(self) -> str:
        """Without secrets."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.shown().items())})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Without secrets, for rich."""
        return list(self.shown().items())

    def shown(self) -> dict[str, object]:
        """Every setting by name, to be logged or shown: secrets and what a store's URL holds of them left out."""
        values: dict[str, object] = {each.name: getattr(self, each.name) for each in declarations()}
        values["store"] = str(self.store_target())
        values["nats"] = without_passwords(self.nats)
        return values | {each.name: "***" for each in declarations() if each.secret and values[each.name]}

    def store_target(self) -> StoreTarget:
        """The store that `store` and the password settings mean."""
        return parse_store(self.store, embedded=self.data_dir / "graph.sqlite", password=self._password())

    def nats_servers(self) -> list[str]:
        """The URLs of the NATS servers with their passwords; none when there is no NATS."""
        return servers_of(self.nats, password=self.nats_password) if self.nats else []

    def metrics_servers(self) -> list[MetricsEndpoint]:
        """The Prometheus servers that scaling policies may name. Raises SettingWrong."""
        found: dict[tuple[str, str], MetricsEndpoint] = {}
        for text in self.metrics_endpoints:
            try:
                one = MetricsEndpoint.parse(text)
                if (one.tenant_id, one.name) in found:
                    raise WrongEndpoint("is there twice")
            except WrongEndpoint as problem:
                raise SettingWrong(
                    "metrics_endpoints",
                    problem=f"has {text.partition('=')[0]!r}, which {problem}",
                    remedy="Write for instance tenant_01J9ZQ3M5R7T9V1X3Z5B7D9F1H/edge=https://prometheus.example:9090, "
                    "with the id that the tenant's page shows.",
                ) from None
            found[one.tenant_id, one.name] = one
        return list(found.values())

    def _password(self) -> str:
        if self.store_password or self.store_password_file is None:
            return self.store_password
        return text_of(self.store_password_file, setting="store_password_file").strip()


@cache
def declarations() -> tuple[Declaration, ...]:
    """All settings in the order in which they are declared."""
    hints = typing.get_type_hints(Settings, include_extras=True)

    def declared() -> Iterator[Declaration]:
        for field in msgspec.structs.fields(Settings):
            plain, *_ = typing.get_args(hints[field.name])
            meta = next(each for each in hints[field.name].__metadata__ if isinstance(each, Meta))
            yield Declaration(
                name=field.name,
                type=hints[field.name],
                plain_type=plain,
                default=field.default,
                description=meta.description or "",
                **(meta.extra or {}),
            )

    return tuple(declared())
