"""What settings must be together: each is right alone, and no server could run on both.

What one setting may be is declared with it. These are the pairs: a certificate without its key, an address that others reach
without TLS, a key in the folder that is copied as a backup, a broker for a store that is one process's. A server that began
all the same would fail later, or leave open what its operator thinks is shut, so it does not start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.loopback import is_loopback
from server.settings_values import SettingWrong

if TYPE_CHECKING:
    from server.settings import Settings


def check_together(settings: Settings) -> None:
    """What settings must be together. Raises SettingWrong."""
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        missing = "tls_key" if settings.tls_key is None else "tls_certificate"
        raise SettingWrong(missing, problem="is missing", remedy="TLS needs both tls_certificate and tls_key.")
    if not (is_loopback(settings.host) or settings.tls_certificate or settings.allow_plain_http):
        raise SettingWrong(
            "host",
            problem=f"is {settings.host!r}, which others can reach, without TLS",
            remedy="Give tls_certificate and tls_key, or set allow_plain_http behind a proxy that ends TLS.",
        )
    if settings.key_file.is_relative_to(settings.data_dir):
        raise SettingWrong(
            "key_file",
            problem=f"is {settings.key_file}, inside the data folder",
            remedy="Put the key elsewhere: whoever copies the data folder would have it too.",
        )
    settings.metrics_servers()
    if settings.max_documents_bytes < settings.max_body_bytes:
        raise SettingWrong(
            "max_documents_bytes",
            problem=f"is {settings.max_documents_bytes}, less than max_body_bytes",
            remedy=f"Make it {settings.max_body_bytes} or more.",
        )
    try:
        target = settings.store_target()
    except ValueError as error:
        raise SettingWrong("store", problem=str(error), remedy='Leave it "" for the embedded store.') from error
    try:
        servers = settings.nats_servers()
    except ValueError as error:
        raise SettingWrong("nats", problem=str(error), remedy='Leave it "" to work without NATS.') from error
    if servers and target.kind == "sqlite":
        raise SettingWrong(
            "nats",
            problem="is given with the embedded store, which is one process's",
            remedy="Leave it out, or keep the graph in Neo4j (setting store).",
        )
    if not settings.workers_inside and not servers:
        raise SettingWrong(
            "workers_inside",
            problem="is false and there is no NATS, so that nobody would work on the sites",
            remedy="Give nats and run `edgeatlas worker`, or leave the workers inside.",
        )
