"""`upload` at a real server, and over connections that break."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from packagekit.archives import CSAR, HEAT, chart, zipped
from packagekit.uploads import digest_of
from server.cli.api import Api
from server.cli.config import Context
from server.cli.failures import Exit, Failure
from server.cli.uploading import TRIES, _sent
from serverkit.commands import CommandLine


def written(folder: Path, name: str, body: bytes) -> str:
    path = folder / name
    path.write_bytes(body)
    return str(path)


def test_a_package_is_uploaded_listed_and_named_by_a_component(cli: CommandLine, tmp_path: Path) -> None:
    body = chart()
    file = written(tmp_path, "shop-1.4.2.tgz", body)
    said = cli("upload", file, "--tenant", "shop")
    reference = f"package:{digest_of(body)}"
    assert reference in said.stdout + said.stderr
    assert "shop-1.4.2.tgz is a HELM_CHART (shop 1.4.2)" in said.stdout + said.stderr
    assert cli.json("upload", file, "--tenant", "shop")["digest"] == digest_of(body), "again it is the same"
    (listed,) = [one for one in cli.json("get", "packages") if one["digest"] == digest_of(body)]
    assert (listed["type"], listed["contents"]["appVersion"], listed["tenant"]["name"]) == ("HELM_CHART", "7.0", "shop")
    assert "shop-1.4.2.tgz" in cli("get", "packages", "-o", "wide").stdout
    assert digest_of(body) in cli("describe", "package", listed["id"]).stdout
    documents = f"""
kind: App
metadata: {{name: packed, tenant: shop}}
---
kind: AppVersion
metadata: {{name: "1.0"}}
spec: {{app: shop/packed}}
---
kind: Component
metadata: {{name: web}}
spec:
  appVersion: shop/packed/1.0
  artifact: {{type: HELM_CHART, reference: "{reference}"}}
  resources: {{cpuMillicores: 100, memoryBytes: 1000000}}
"""
    cli("apply", "-f", written(tmp_path, "app.yaml", documents.encode()), "--name", "packed")
    refused = cli("delete", "package", listed["id"], "--yes", code=int(Exit.REFUSED))
    assert "web depends on it" in refused.stderr
    cli("delete", "app", "shop/packed", "--cascade", "--yes")
    cli("delete", "package", listed["id"], "--yes")


@pytest.mark.parametrize(
    ("name", "body", "found"), [("cam.csar", zipped(CSAR), "CSAR"), ("a.yaml", HEAT, "HEAT_TEMPLATE")]
)
def test_other_sorts_are_known_by_what_is_in_them(
    cli: CommandLine, tmp_path: Path, name: str, body: bytes, found: str
) -> None:
    assert cli.json("upload", written(tmp_path, name, body), "--tenant", "shop")["type"] == found


def test_what_is_no_package_is_told_with_what_would_be(cli: CommandLine, tmp_path: Path) -> None:
    refused = cli("upload", written(tmp_path, "x.tgz", b"hello"), "--tenant", "shop", code=int(Exit.REFUSED))
    assert "upload a Helm chart" in refused.stderr
    missing = cli("upload", str(tmp_path / "none.tgz"), "--tenant", "shop", code=int(Exit.USAGE))
    assert "No such file" in missing.stderr
    cli("upload", written(tmp_path, "y.tgz", chart()), "--tenant", "nobody", code=int(Exit.NOT_FOUND))


class Server:
    """Answers `requestUpload` and takes bytes, some connections broken."""

    def __init__(self, *, breaks: int) -> None:
        self.breaks = breaks
        self.asked = 0
        self.headers: list[httpx.Headers] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            self.headers.append(request.headers)
            request.read()
            if len(self.headers) <= self.breaks:
                raise httpx.WriteError("connection reset")
            return httpx.Response(201, json={"package": {"id": "package_1"}})
        query = json.loads(request.content)["query"]
        if "requestUpload" not in query:
            return httpx.Response(200, json={"data": {"package": {"id": "package_1"}}})
        self.asked += 1
        offer: dict[str, Any] = {"url": f"/uploads/{self.asked}", "headers": [{"name": "X-Sent", "value": "yes"}]}
        answer = {"__typename": "RequestUploadPayload", "upload": offer, "package": None}
        return httpx.Response(200, json={"data": {"requestUpload": answer}})


def sent(server: Server, file: Path) -> Any:
    context = Context(url="http://server", token="ea_secret")
    pauses: list[float] = []
    with Api(context, transport=httpx.MockTransport(server)) as api, file.open("rb") as handle:
        return _sent(api, handle, file.name, "tenant_1", sleep=pauses.append)


def test_a_broken_connection_is_answered_by_asking_for_leave_again(tmp_path: Path) -> None:
    server, file = Server(breaks=2), Path(written(tmp_path, "a.tgz", chart()))
    assert sent(server, file) == {"id": "package_1"}
    assert server.asked == 3
    assert all(one["x-sent"] == "yes" for one in server.headers)


def test_a_server_that_stays_away_is_told(tmp_path: Path) -> None:
    server, file = Server(breaks=TRIES), Path(written(tmp_path, "a.tgz", chart()))
    with pytest.raises(Failure) as failed:
        sent(server, file)
    assert failed.value.code is Exit.UNAVAILABLE
    assert server.asked == TRIES


def test_the_token_is_not_sent_with_the_bytes(tmp_path: Path) -> None:
    """The URL may lead elsewhere, and is all that the upload takes."""
    server, file = Server(breaks=0), Path(written(tmp_path, "a.tgz", chart()))
    sent(server, file)
    assert [one.get("authorization") for one in server.headers] == [None]
