"""Which addresses are this machine's own alone."""

from __future__ import annotations

import pytest

from server.loopback import is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [(host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "::1%lo", "localhost", "Localhost")]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "fe80::1%eth0", "")],
)
def test_only_loopback_needs_no_tls(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
