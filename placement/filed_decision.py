"""A decision as it is filed: the JSON of it, deflated where it is long.

A decision gives its reasons in words for every site, so on a few hundred sites it is some 200 KB, and most of the words
are the same from site to site: deflated it is a thirtieth of that. It is filed as a whole all the same. Words that were
made again from the data when they are read would be those of a later version, not those of the decision.

What is filed is JSON (`graph.change.Record`), so the deflated bytes stand in it as base64.
"""

from __future__ import annotations

import zlib

import msgspec

from placement.decision import Decision
from placement.stopping import Stop
from placement.verdict import Verdict

PLAIN_BYTES = 2_048
"""Up to so many it stays as it is, for whoever looks into a store."""
_LEVEL = 4


class _Deflated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    deflated: bytes
    """A zlib stream (RFC 1950) of the decision's JSON; base64 in JSON."""


def filed(decision: Decision, *, stop: Stop | None = None) -> bytes:
    """The JSON that is filed of a decision, with every site's words. Tenths of a second for thousands of sites: not for the
    event loop. Raises Stopped when that is asked for meanwhile."""
    plain = msgspec.json.encode(decision.whole(stop=stop) if isinstance(decision, Verdict) else decision)
    return plain if len(plain) <= PLAIN_BYTES else msgspec.json.encode(_Deflated(deflated=zlib.compress(plain, _LEVEL)))


def decision_filed(body: bytes | msgspec.Raw) -> Decision:
    """The decision of which that is filed. Raises msgspec.ValidationError or zlib.error when it is none."""
    if bytes(body).startswith(b'{"deflated"'):
        body = zlib.decompress(msgspec.json.decode(body, type=_Deflated).deflated)
    return msgspec.json.decode(body, type=Decision)
