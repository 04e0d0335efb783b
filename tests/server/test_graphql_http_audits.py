"""The endpoint keeps GraphQL over HTTP, as the npm package `graphql-http` audits it."""

from __future__ import annotations

import asyncio
import json

from beds.node.packages import NodePackages
from endpointkit.served import served

AUDITS = 61

SCRIPT = """
import { serverAudits } from 'graphql-http';
const [url, token] = process.argv.slice(2);
const signedIn = (target, init = {}) =>
  fetch(target, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
const results = [];
for (const audit of serverAudits({ url, fetchFn: signedIn })) {
  const result = await audit.fn();
  results.push({ id: audit.id, name: audit.name, status: result.status, reason: result.reason });
}
console.log(JSON.stringify(results));
"""


async def test_all_audits_of_graphql_over_http_pass_for_a_signed_in_caller(node_packages: NodePackages) -> None:
    async with served() as endpoint:
        run = await asyncio.to_thread(node_packages.run, SCRIPT, endpoint.url, "ann")
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout)
    assert len(results) == AUDITS
    assert [result for result in results if result["status"] != "ok"] == []
