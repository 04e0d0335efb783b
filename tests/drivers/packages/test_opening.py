"""What a package is found to be, whatever it is called."""

from __future__ import annotations

import io
import tarfile

import pytest

from drivers.packages.flaws import Flaw, Limits, PackageRefused
from drivers.packages.opening import open_package, read_members
from graph.kinds import ArtifactType
from packagekit.archives import (
    CHART,
    CHART_YAML,
    CSAR,
    HEAT,
    MANIFEST,
    chart,
    special,
    tar,
    tgz,
    zipped,
)


def opened(body: bytes, **limits: int):  # type: ignore[no-untyped-def]  # what it gives is read by each test
    return open_package(io.BytesIO(body), limits=Limits(**limits))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("pack", [tar, tgz])
def test_a_chart_is_known_by_its_chart_yaml_in_every_form_of_tar(form: int, pack: object) -> None:
    found = opened(pack(CHART.items(), form=form))  # type: ignore[operator]  # one of two functions
    assert found.type is ArtifactType.HELM_CHART
    contents = found.contents
    assert (contents.name, contents.version, contents.app_version) == ("shop", "1.4.2", "7.0")
    assert contents.values_schema
    assert contents.file_count == len(CHART)
    assert contents.unpacked_bytes == sum(map(len, CHART.values()))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_names_of_any_script_are_read(form: int) -> None:
    name = f"shop/{'n' * 120}/{'é' * 100}.txt"
    found = read_members(io.BytesIO(tgz([*CHART.items(), (name, b"x")], form=form)), lambda one: one == name)
    assert found == {name: b"x"}


def test_folders_and_names_that_begin_with_a_dot_and_slash_are_taken() -> None:
    members = [
        special("./", tarfile.DIRTYPE),
        special("./shop/", tarfile.DIRTYPE),
        *((f"./{n}", b) for n, b in CHART.items()),
    ]
    assert opened(tgz(members)).contents.name == "shop"


def test_a_csar_is_known_by_its_metadata() -> None:
    found = opened(zipped(CSAR))
    assert found.type is ArtifactType.CSAR
    assert (found.contents.name, found.contents.version) == ("cam", "1.0")
    assert found.media_type == "application/zip"


def test_a_csar_without_metadata_has_one_template_at_its_top() -> None:
    body = CSAR["Definitions/app.yaml"]
    assert opened(zipped({"app.yaml": body, "x/y.bin": b"1"})).type is ArtifactType.CSAR
    with pytest.raises(PackageRefused):
        opened(zipped({"app.yaml": body, "other.yaml": body}))


def test_a_csar_that_names_what_it_has_not_is_refused() -> None:
    with pytest.raises(PackageRefused) as refused:
        opened(zipped({one: body for one, body in CSAR.items() if one != "Definitions/app.yaml"}))
    assert refused.value.member == "TOSCA-Metadata/TOSCA.meta"


def test_manifests_are_counted_alone_or_in_an_archive() -> None:
    assert opened(MANIFEST + b"---\n" + MANIFEST + b"---\n").contents.document_count == 2
    assert opened(b'{"apiVersion": "v1", "kind": "Pod"}').type is ArtifactType.MANIFESTS
    packed = {"a.yaml": MANIFEST, "more/b.yml": MANIFEST + b"---\n" + MANIFEST, "README.md": b"hello"}
    for body in (zipped(packed), tgz(packed.items())):
        assert opened(body).type is ArtifactType.MANIFESTS
        assert opened(body).contents.document_count == 3


def test_a_heat_template_is_known_alone_and_with_what_it_uses() -> None:
    assert opened(HEAT).type is ArtifactType.HEAT_TEMPLATE
    assert opened(HEAT).contents.version == "2018-08-31"
    assert opened(zipped({"main.yaml": HEAT, "parts/net.yaml": HEAT})).type is ArtifactType.HEAT_TEMPLATE


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        (b"", Flaw.UNKNOWN),
        (b"just words", Flaw.UNKNOWN),
        (b"a: 1\n", Flaw.UNKNOWN),
        (b"\x00\x01\x02" * 100, Flaw.UNKNOWN),
        (b"\x7fELF" + bytes(100), Flaw.UNKNOWN),
        (b"\xff\xfe\xfd", Flaw.NOT_YAML),
        (b"a: [", Flaw.NOT_YAML),
        (MANIFEST + b"---\n" + HEAT, Flaw.UNKNOWN),
        (tgz([("a.txt", b"x")]), Flaw.UNKNOWN),
        (tgz([]), Flaw.UNKNOWN),
        (zipped({}), Flaw.UNKNOWN),
        (zipped({"a.txt": b"x"}), Flaw.UNKNOWN),
        (tgz([("shop/Chart.yaml", b"name: shop\n")]), Flaw.UNKNOWN),
        (tgz([("shop/Chart.yaml", b"apiVersion: v3\nname: a\nversion: 1\n")]), Flaw.UNKNOWN),
        (tgz([("shop/Chart.yaml", CHART_YAML), ("other/Chart.yaml", CHART_YAML)]), Flaw.UNKNOWN),
        (tgz([("shop/Chart.yaml", CHART_YAML), ("shop/values.schema.json", b"{")]), Flaw.DAMAGED),
        (tgz([("shop/Chart.yaml", CHART_YAML), ("shop/values.schema.json", b"[" * 100_000)]), Flaw.DAMAGED),
        (tgz([("shop/Chart.yaml", CHART_YAML), ("shop/values.schema.json", b"7")]), Flaw.NOT_SCHEMA),
        (tgz([("shop/Chart.yaml", b"a" * 300_000)]), Flaw.TOO_LARGE),
    ],
)
def test_what_is_nothing_that_is_known_is_refused(body: bytes, flaw: Flaw) -> None:
    with pytest.raises(PackageRefused) as refused:
        opened(body, ratio=10_000)
    assert refused.value.flaw is flaw
    assert refused.value.remedy == flaw.value


def test_a_chart_whose_schema_is_not_valid_is_refused_with_the_place() -> None:
    schema = b'{"properties": {"replicas": {"type": "int", "minimum": "x"}}}'
    with pytest.raises(PackageRefused) as refused:
        opened(tgz({**CHART, "shop/values.schema.json": schema}.items()))
    assert refused.value.flaw is Flaw.NOT_SCHEMA
    assert refused.value.message == (
        "shop/values.schema.json: it is no JSON Schema: /properties/replicas/type is 'int', and a type is one of array, "
        "boolean, integer, null, number, object, string; /properties/replicas/minimum must be a number"
    )


def test_schemas_of_subcharts_are_said_not_to_be_checked() -> None:
    subcharts = {"shop/charts/db/values.schema.json": b"{}", "shop/charts/db/charts/disk/values.schema.json": b"{}"}
    others = {"shop/files/values.schema.json": b"{}", "shop/charts/values.schema.json": b"{}"}
    contents = opened(tgz({**CHART, **subcharts, **others}.items())).contents
    assert (contents.values_checked, contents.unchecked_subchart_schemas) == (True, 2)
    assert opened(tgz(CHART.items())).contents.unchecked_subchart_schemas == 0


def test_a_chart_of_thousands_of_small_files_is_mostly_padding_and_is_taken() -> None:
    many = [(f"shop/files/{number}.txt", b"x") for number in range(4_900)]
    body = tgz([*CHART.items(), *many])
    assert len(tar([*CHART.items(), *many])) > 100 * len(body)
    assert opened(body).contents.file_count == len(CHART) + len(many)


def test_what_a_chart_says_of_itself_is_one_short_line() -> None:
    said = b"apiVersion: v2\nname: shop\nversion: '1'\ndescription: \"a\\nb\\u202e" + b"c" * 3_000 + b'"\n'
    description = opened(tgz([("shop/Chart.yaml", said)])).contents.description
    assert description is not None
    assert description.startswith("a b c")
    assert len(description) == 255


def test_a_driver_reads_members_under_the_same_limits() -> None:
    body = io.BytesIO(chart())
    assert read_members(body, lambda one: one.endswith(".json")) == {"shop/values.schema.json": b'{"type": "object"}'}
    with pytest.raises(PackageRefused) as refused:
        read_members(body, lambda one: True, max_bytes=10)
    assert refused.value.flaw is Flaw.TOO_LARGE
    with pytest.raises(PackageRefused):
        read_members(body, lambda one: False, limits=Limits(files=2))
