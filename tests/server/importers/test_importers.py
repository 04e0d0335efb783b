"""Importers: what each format's rows become, and everything that is wrong told at once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.documents import document_from
from graph.spatial import distance_km
from graph.values import Position
from server.importers import CsvFiles, ImportOptions, ImportRefused, documents_of, read_network
from server.importers.documents import clean_name
from server.importers.sources import topohub_keys

Doc = dict[str, Any]


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def imported(source: str | None, *, files: CsvFiles | None = None, **options: Any) -> list[Doc]:
    network = read_network(source, files=files)
    return documents_of(network, ImportOptions(**{"name": network.name, **options}))


def problems(source: str, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(ImportRefused) as refused:
        imported(source, **options)
    return [(one.where, one.reason) for one in refused.value.problems]


def by_kind(documents: list[Doc], kind: str) -> dict[str, Doc]:
    return {one["metadata"]["name"]: one["spec"] for one in documents if one["kind"] == kind}


# topohub


def test_the_european_backbone_has_its_cities_and_its_cables() -> None:
    documents = imported("topohub:backbone/europe")
    sites = [one for one in documents if one["kind"] == "Site"]
    assert Counter(one["spec"]["role"] for one in sites) == {"COMPUTE": 375, "TRANSIT": 477}
    labels = Counter(one["metadata"]["labels"]["type"] for one in sites)
    assert labels == {"city": 375, "sea-cable-waypoint": 275, "sea-cable-landing": 202}
    assert Counter(one["kind"] for one in documents) == {"Region": 1, "Site": 852, "Link": 1287}
    names = [one["metadata"]["name"] for one in sites]
    assert len(set(names)) == len(names)
    assert {"Łódź", "Śródmieście", "Århus", "İzmir", "Genève"} <= set(names)
    assert by_kind(documents, "Region")["backbone-europe"]["level"] == "CONTINENT"


def test_latency_is_five_microseconds_a_kilometre_times_the_route_factor() -> None:
    links = by_kind(imported("topohub:backbone/europe"), "Link").values()
    assert all(one["latencyMs"] == pytest.approx(one["lengthKm"] * 1.4 * 0.005, abs=1e-5) for one in links)


def test_a_city_keeps_its_name_and_what_is_called_like_it_gets_its_id() -> None:
    documents = imported("topohub:backbone/europe")
    palmas = {one["metadata"]["name"]: one for one in documents if "Palma" in one["metadata"]["name"]}
    assert palmas["Palma"]["spec"]["role"] == "COMPUTE"
    (other,) = set(palmas) - {"Palma"}
    assert palmas[other]["metadata"]["displayName"] == "Palma"
    assert other == f"Palma-{palmas[other]['metadata']['external']['id']}"


EVERY_SET = [key for key in topohub_keys() if not key.startswith("gabriel/") or key.endswith("/0")]


@pytest.mark.parametrize("group", sorted({key.partition("/")[0] for key in EVERY_SET}))
def test_every_topology_of_the_package_becomes_documents_that_can_be_read(group: str) -> None:
    keys = [key for key in EVERY_SET if key.startswith(f"{group}/")]
    smallest = keys if group in ("sndlib", "gabriel") else keys[::6]
    for key in smallest:
        documents = imported(f"topohub:{key}")
        for at, one in enumerate(documents):
            document_from(one, where=str(at))
        sites = by_kind(documents, "Site")
        assert sites
        assert all(one["latencyMs"] >= 0 for one in by_kind(documents, "Link").values())
        ends = {one[end] for one in by_kind(documents, "Link").values() for end in ("fromSite", "toSite")}
        assert ends <= set(sites)


def test_coordinates_on_a_plane_are_no_positions_but_give_the_lengths() -> None:
    network = read_network("topohub:sndlib/norway")
    assert all(one.position is None for one in network.places.values())
    assert any("plane" in note for note in network.notes)
    assert all(one.straight_km is not None and one.straight_km < 2_000 for one in network.lines)
    assert all(one.position is not None for one in read_network("topohub:sndlib/nobel-germany").places.values())


@pytest.mark.parametrize(
    "key", ["backbone/atlantis", "../../../etc/passwd", "backbone/../backbone/europe", "", "europe"]
)
def test_an_unknown_topology_is_told_with_the_sets(key: str) -> None:
    ((where, reason),) = problems(f"topohub:{key}")
    assert where == f"topohub:{key}"
    assert "backbone" in reason
    assert "sndlib" in reason


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("sndlib", "is a set of topohub; it has abilene, atlanta,"),
        ("gabriel/10/", "it has 0, 1, 2"),
        ("geant2012", "did you mean topozoo/Geant2012"),
        ("backbone/europ", "did you mean backbone/europe"),
    ],
)
def test_a_name_that_is_nearly_one_is_told_what_it_may_mean(key: str, words: str) -> None:
    ((_, reason),) = problems(f"topohub:{key}")
    assert words in reason


# Node-link JSON


def node_link(nodes: list[Any], lines: list[Any], *, key: str = "links", **more: Any) -> str:
    return json.dumps({"nodes": nodes, key: lines, **more}, indent=1)


HERE, THERE = {"id": 0, "lat": 52.5, "lon": 13.4}, {"id": 1, "lat": 48.2, "lon": 16.4}


@pytest.mark.parametrize("key", ["links", "edges"])
def test_lines_are_read_from_links_and_from_edges(tmp_path: Path, key: str) -> None:
    documents = imported(written(tmp_path, "net.json", node_link([HERE, THERE], [{"source": 0, "target": 1}], key=key)))
    ((name, link),) = by_kind(documents, "Link").items()
    kilometres = distance_km(Position(13.4, 52.5), Position(16.4, 48.2))
    assert name == "0--1"
    assert link["latencyMs"] == pytest.approx(kilometres * 1.4 * 0.005, abs=1e-5)
    assert "lengthKm" not in link


@pytest.mark.parametrize(
    ("attributes", "latency_ms"),
    [
        ({"latency_ms": 3.5, "length_km": 100, "dist": 9}, 3.5),
        ({"length_km": 100, "dist": 9}, 0.5),
        ({"dist": 100}, 0.7),
        ({"delay": "2"}, 2.0),
        ({"length": "0"}, 0.0),
    ],
)
def test_the_first_known_of_latency_length_and_distance_gives_the_latency(
    tmp_path: Path, attributes: Doc, latency_ms: float
) -> None:
    content = node_link([HERE, THERE], [{"source": 0, "target": 1, **attributes}])
    (link,) = by_kind(imported(written(tmp_path, "net.json", content)), "Link").values()
    assert link["latencyMs"] == pytest.approx(latency_ms)


def test_a_link_of_unknown_latency_is_refused_unless_one_is_given(tmp_path: Path) -> None:
    source = written(tmp_path, "net.json", node_link([{"id": "a"}, {"id": "b"}], [{"source": "a", "target": "b"}]))
    ((where, reason),) = problems(source)
    assert "links[0]" in where
    assert "--latency" in reason
    (link,) = by_kind(imported(source, latency_ms=4.0), "Link").values()
    assert link["latencyMs"] == 4.0


def test_parallel_links_are_kept_whichever_way_round_they_stand(tmp_path: Path) -> None:
    lines = [{"source": 0, "target": 1}, {"source": 1, "target": 0}, {"source": 0, "target": 1, "key": 7}]
    documents = imported(written(tmp_path, "net.json", node_link([HERE, THERE], lines)))
    assert list(by_kind(documents, "Link")) == ["0--1", "0--1#2", "0--1#7"]


def test_in_a_directed_file_both_directions_are_one_link(tmp_path: Path) -> None:
    lines = [{"source": 0, "target": 1}, {"source": 1, "target": 0}]
    content = node_link([HERE, THERE], lines, directed=True)
    assert len(by_kind(imported(written(tmp_path, "net.json", content)), "Link")) == 1


def test_a_line_from_a_place_to_itself_is_left_out_and_told(tmp_path: Path) -> None:
    content = node_link([HERE, THERE], [{"source": 0, "target": 0}, {"source": 0, "target": 1}])
    network = read_network(written(tmp_path, "net.json", content))
    assert len(by_kind(documents_of(network, ImportOptions(name="x")), "Link")) == 1
    assert ["itself" in note and "links[0]" in note for note in network.notes] == [True]


def test_every_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    nodes: list[Any] = [
        {"id": "a", "lat": 95, "lon": 1},
        {"id": "b", "lat": float("nan"), "lon": 1},
        {"id": "c", "lat": 1},
        {"id": "c", "lat": 1, "lon": 1},
        "x",
        {"pos": [1, 2]},
        {"id": "d", "pos": [1, 2, 3]},
        {"id": "e", "tier": "HUGE"},
        {"id": "f", "population": True},
        {"id": "g", "labels": {"a b": "c"}},
        {"id": "h", "cpu": "many"},
    ]
    source = written(tmp_path, "net.json", node_link(nodes, [{"source": "a"}, {"source": "c", "target": "zz"}]))
    found = problems(source)
    text = Path(source).read_text().splitlines()
    for where, _ in found:
        line, _, row = where.removeprefix("net.json:").partition(" ")
        assert text[int(line) - 1].strip().startswith(("{", '"x"')), where
        assert row.startswith(("(nodes[", "(links["))
    reasons = [reason for _, reason in found]
    for word in (
        "latitude 95",
        "latitude nan is not finite",
        "one is missing",
        "is no object",
        "neither an id nor a name",
    ):
        assert any(word in reason for reason in reasons), (word, reasons)
    for word in ("pair", "none of NATIONAL", "population", "label", "cpu 'many'", "no target"):
        assert any(word in reason for reason in reasons), (word, reasons)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"nodes": [{"id": "a"},\n {"id": "a"}], "links": []}', "net.json:2 (nodes[1])"),
        ('{"links": [\n\n{"source": "a"}], "nodes": [{"id": "a"}]}', "net.json:3 (links[0])"),
        ('{\n"graph": {"nodes": [\n[{}]]},\n"nodes"\n:\n[5], "edges": []}', "net.json:6 (nodes[0])"),
        ('{"nodes": [1,\n2], "links": [],\n"nodes": [{"id": "a"},\n"x"]}', "net.json:4 (nodes[1])"),
        ('{"nodes": [{"id": "a\\n]}"},\r\n{"name": "]"},\r\n\r\n7], "links": []}', "net.json:4 (nodes[2])"),
        (
            '{"nodes": [{"id": "a"}, {"id": "b"}],\n"links": [\n{"source": "a", "target": "b"}]}',
            "net.json:3 (links[0])",
        ),
        (
            '{"nodes": [{"id": "a", "lat": 1, "lon": 1}],\n"links": [{"source": "a", "target": "z"}]}',
            "net.json:2 (links[0])",
        ),
    ],
)
def test_a_bad_row_has_the_line_on_which_it_begins_whenever_it_is_found(
    tmp_path: Path, content: str, expected: str
) -> None:
    assert [where for where, _ in problems(written(tmp_path, "net.json", content))] == [expected]


def test_what_is_no_json_is_told_with_line_and_column(tmp_path: Path) -> None:
    found = problems(written(tmp_path, "net.json", '{"nodes": [],\n "links": [}'))
    assert found == [("net.json:2", "is no JSON: Expecting value (column 12)")]


def test_every_document_has_the_line_that_it_was_made_from(tmp_path: Path) -> None:
    nodes = [{"id": n, "name": f"s{n}", "pos": [n, n]} for n in range(5)]
    source = written(tmp_path, "net.json", node_link(nodes, [{"source": 0, "target": 1}]))
    network = read_network(source)
    documents_of(network, ImportOptions(name="x"))
    lines = Path(source).read_text().splitlines()
    for n in range(5):
        where = network.origins["Site", f"s{n}"]
        line, _, row = where.removeprefix("net.json:").partition(" ")
        assert row == f"(nodes[{n}])"
        assert f'"id": {n}' in "".join(lines[int(line) - 1 : int(line) + 1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[1, 2]", "nodes"),
        ('{"nodes": []}', "links"),
        ('{"nodes": {}, "links": []}', "nodes"),
        ('{"nodes": [], "links": []}', "neither"),
        ("[" * 100_000, "nested"),
        ('{"nodes": [{"id": ' + "9" * 5000 + '}], "links": []}', "JSON"),
        (b'{"nodes": [{"id": "\xff"}], "links": []}', "UTF-8"),
    ],
)
def test_what_is_no_node_link_file_is_refused_whole(tmp_path: Path, content: str | bytes, words: str) -> None:
    (reason,) = [reason for _, reason in problems(written(tmp_path, "net.json", content))]
    assert words in reason


# GraphML

GRAPHML = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d1"/>
  <key attr.name="Longitude" attr.type="double" for="node" id="d2"/>
  <key attr.name="Latitude" attr.type="double" for="node" id="d3"/>
  <key attr.name="label" attr.type="string" for="node" id="d4"/>
  <key attr.name="Country" attr.type="string" for="node" id="d5"><default>Nowhere</default></key>
  <key attr.name="Internal" attr.type="int" for="node" id="d6"/>
  <key attr.name="hyperedge" attr.type="int" for="node" id="d7"/>
  <graph edgedefault="undirected">
    <node id="0"><data key="d2">9.19</data><data key="d3">45.46</data><data key="d4">Milano</data><data key="d5">Italy</data><data key="d6">1</data></node>
    <node id="1"><data key="d2">16.37</data><data key="d3">48.21</data><data key="d4">Wien</data><data key="d6">1</data></node>
    <node id="2"><data key="d4">Elsewhere</data><data key="d6">0</data></node>
    <node id="3"><data key="d7">1</data></node>
    <edge source="0" target="1" id="e7"><data key="d1">1.0E10</data></edge>
  </graph>
</graphml>
"""  # noqa: E501 - as such files are


def test_graphml_of_the_topology_zoo_is_read(tmp_path: Path) -> None:
    documents = imported(written(tmp_path, "Zoo.graphml", GRAPHML))
    sites = by_kind(documents, "Site")
    assert {name: one["role"] for name, one in sites.items()} == {
        "Milano": "COMPUTE",
        "Wien": "COMPUTE",
        "Elsewhere": "TRANSIT",
        "site-3": "TRANSIT",
    }
    assert sites["Milano"]["region"] == "Italy"
    assert sites["Wien"]["region"] == "Nowhere"
    regions = by_kind(documents, "Region")
    assert regions["Zoo"]["level"] == "WORLD"
    assert regions["Italy"] == {
        "level": "COUNTRY",
        "parent": "Zoo",
        "centre": {"longitude": 9.19, "latitude": 45.46},
    }
    ((name, link),) = by_kind(documents, "Link").items()
    assert (name, link["bandwidthMbps"]) == ("0--1#e7", 10_000)


def test_the_example_of_the_documentation_is_read() -> None:
    documents = imported(str(Path(__file__).parents[3] / "docs" / "examples" / "north.graphml"))
    assert set(by_kind(documents, "Site")) == {"Tromsø", "Luleå", "Jyväskylä"}
    assert set(by_kind(documents, "Region")) == {"north", "Norway", "Sweden", "Finland"}
    assert [one["bandwidthMbps"] for one in by_kind(documents, "Link").values()] == [10_000, 40_000]


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]>
<graphml><graph><node id="&lol2;"/></graph></graphml>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<graphml><graph><node id="&e;"/></graph></graphml>"""
REMOTE = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><graphml><graph><node id="a"/></graph></graphml>'


@pytest.mark.parametrize("content", [BOMB, OUTSIDE, REMOTE])
def test_document_types_and_entities_are_refused(tmp_path: Path, content: str) -> None:
    ((_, reason),) = problems(written(tmp_path, "x.graphml", content))
    assert "document type declaration" in reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no XML"),
        ("<graphml>", "no XML"),
        ("<svg/>", "<graphml>"),
        ("<graphml>" + "<graph>" * 100 + "</graph>" * 100 + "</graphml>", "levels"),
        ("<graphml><graph/></graphml>", "neither"),
        ('<?xml version="1.0" encoding="martian"?><graphml/>', "no XML"),
        (b'<graphml><graph><node id="\xff\xfe"/></graph></graphml>', "no XML"),
        ('<graphml><key id="k" attr.name="label"/><graph><node id="a"><data key="k">' + "x" * 200_000
         + "</data></node></graph></graphml>", "characters"),
        ('<graphml><graph><node id="a"/><node id="a"/></graph></graphml>', "twice"),
        ('<graphml><graph><node id="a"/><edge source="a"/></graph></graphml>', "no target"),
    ],
)  # fmt: skip
def test_bad_graphml_is_refused_with_its_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    found = problems(written(tmp_path, "x.graphml", content))
    assert any(words in reason for _, reason in found), found
    assert all(where.startswith("x.graphml:") or "neither" in reason for where, reason in found), found


LONG = "x" * 200_000


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (f'<data key="k">{LONG}</data><data key="c">Italy</data>', "x.graphml:5"),
        (f'<data key="c">Italy</data><data key="k">{LONG}</data>', "x.graphml:5"),
        (f'<data key="unknown"><y>{LONG}</y></data>', "x.graphml:5"),
    ],
)
def test_a_value_that_is_too_long_is_never_cut(tmp_path: Path, content: str, where: str) -> None:
    text = f"""<graphml>
<key id="k" attr.name="label"/>
<key id="c" attr.name="country"/>
<graph><node id="b"/>
<node id="a">{content}</node></graph></graphml>"""
    ((found, reason),) = problems(written(tmp_path, "x.graphml", text))
    assert found == where
    assert "more than 100000 characters" in reason
    default = f'<graphml><key id="k" attr.name="label">\n<default>{LONG}</default></key><graph/></graphml>'
    assert problems(written(tmp_path, "x.graphml", default)) == [
        ("x.graphml:2", "label has more than 100000 characters")
    ]


def test_attributes_of_an_element_are_not_taken_for_its_data(tmp_path: Path) -> None:
    content = """<graphml><key id="k" attr.name="label"/><graph>
<node id="a" data="x" too_long="y"><data key="k">Łódź</data></node></graph></graphml>"""
    assert list(by_kind(imported(written(tmp_path, "x.graphml", content)), "Site")) == ["Łódź"]


# CSV

SITES = """id,Name,lat,lon,country,population,tier,role,labels,cpu,memory,notes
1,Brno,49.19,16.61,Czechia,380000,,,zone=west;size=big,16,64Gi,nice
2,Zürich,47.37,8.54,Switzerland,415000,NATIONAL,,,,,
3,Ridge,,,,,,transit,,,,
4,Brno,49.2,16.7,Czechia,1200,,,,,,
"""
NODES = "name;site;arch;cpu;memory;gpu;gpu_model\nbox-1;2;arm64;32;128GiB;2;nvidia-l4\nbox-2;Ridge;;1500m;1e3;;\n"
LINKS = "from,to,latency_ms,bandwidth_mbps\n1,Zürich,4.2,10000\n2,3,1,\n"


def csv_files(folder: Path, *, nodes: str = NODES.replace("1e3", "4GB")) -> CsvFiles:
    for name, content in (("sites", SITES), ("nodes", nodes), ("links", LINKS)):
        written(folder, f"{name}.csv", "\ufeff" + content)
    return CsvFiles(sites=folder / "sites.csv", nodes=folder / "nodes.csv", links=folder / "links.csv")


def test_csv_of_sites_nodes_and_links_is_read(tmp_path: Path) -> None:
    documents = imported(None, files=csv_files(tmp_path), name="net", cluster="edge")
    sites = by_kind(documents, "Site")
    assert list(sites) == ["Brno-1", "Zürich", "Ridge", "Brno-4"]
    assert sites["Brno-1"]["capacity"] == {"cpuMillicores": 16_000, "memoryBytes": 64 * 2**30}
    assert [one.get("tier") for one in sites.values()] == ["REGIONAL", "NATIONAL", None, "DISTRICT"]
    assert sites["Ridge"] == {"region": "net", "role": "TRANSIT"}
    nodes = by_kind(documents, "Node")
    assert nodes["box-1"]["capacity"]["accelerators"] == [{"model": "nvidia-l4", "count": 2}]
    assert (nodes["box-1"]["site"], nodes["box-1"]["cluster"]) == ("Zürich", "edge")
    assert nodes["box-2"]["capacity"] == {"cpuMillicores": 1_500, "memoryBytes": 4 * 10**9}
    assert by_kind(documents, "Cluster")["edge"]["sites"] == ["Brno-1", "Zürich", "Brno-4"]
    assert by_kind(documents, "Link")["1--2"] == {
        "fromSite": "Brno-1",
        "toSite": "Zürich",
        "latencyMs": 4.2,
        "bandwidthMbps": 10_000,
    }
    regions = by_kind(documents, "Region")
    assert regions["Czechia"]["demand"] == 381_200


def test_nothing_is_imported_when_one_of_several_files_has_a_bad_row(tmp_path: Path) -> None:
    files = csv_files(tmp_path, nodes=NODES)
    with pytest.raises(ImportRefused) as refused:
        read_network(None, files=files)
    assert [(one.where, one.reason.partition(" is ")[0]) for one in refused.value.problems] == [
        ("nodes.csv:3", "memory '1e3'")
    ]


def test_columns_without_a_meaning_are_told(tmp_path: Path) -> None:
    network = read_network(written(tmp_path, "sites.csv", SITES))
    assert network.notes == ["sites.csv: columns without a meaning are left out: notes"]


@pytest.mark.parametrize(
    ("content", "where", "words"),
    [
        ("", "x.csv", "empty"),
        ("\n\n", "x.csv", "empty"),
        ("x,y\n1,2\n", "x.csv:1", "no column name or id"),
        ("name,Name\n1,2\n", "x.csv:1", "twice"),
        ("name,lat,lon\nA,north,1\n", "x.csv:2", "latitude 'north' is no number"),
        ("name,lat,lon\nA,NaN,1\n", "x.csv:2", "not finite"),
        ("name,lat,lon\nA,1e999,1\n", "x.csv:2", "not finite"),
        ("name,lat,lon\nA,1\n", "x.csv:2", "one is missing"),
        ("name,lat,lon\nA,1,2,3\n", "x.csv:2", "4 cells under 3 columns"),
        ("name,lat,lon\nA,1,2\n\nA,1,2\n", "x.csv:4", "given twice, first at x.csv:2"),
        ('name,lat\n"A,1\n', "x.csv:2", "no CSV"),
        ('name,city,lat\nB,"two\nlines",\nA,"in\n\nthree",1\n', "x.csv:4", "one is missing"),
        ('name,lat\nA,\n\nB,"1\n2\n3\n', "x.csv:4", "in a row up to line 6"),
        ("name\nA\0B\n", "x.csv:2", "NUL"),
        (b"name\nok\nM\xfcnchen\n", "x.csv:3", "UTF-8"),
        ("name\n" + "x" * 300 + "\n", "x.csv:2", "300 characters"),
        ("name,labels\nA,zone\n", "x.csv:2", "key=value"),
        ("name,gpu\nA,1.5\n", "x.csv:2", "whole number"),
        ("name,memory\nA,-3\n", "x.csv:2", "no amount"),
        ("name," + ",".join(f"c{n}" for n in range(300)) + "\n", "x.csv:1", "columns"),
        ("name\na\u202eb\u0007\n", "x.csv:2", "control"),
    ],
)
def test_bad_csv_is_refused_with_its_line(tmp_path: Path, content: str | bytes, where: str, words: str) -> None:
    ((found, reason),) = problems(written(tmp_path, "x.csv", content))
    assert found == where
    assert words in reason


def test_a_node_without_resources_is_refused(tmp_path: Path) -> None:
    files = CsvFiles(nodes=Path(written(tmp_path, "n.csv", "name,site,cpu,memory\nbox,Berlin,,64Gi\n")))
    with pytest.raises(ImportRefused, match="states its cpu and memory"):
        read_network(None, files=files)


def test_nodes_alone_may_stand_at_sites_of_the_server(tmp_path: Path) -> None:
    files = CsvFiles(nodes=Path(written(tmp_path, "n.csv", "name,site,cpu,memory\nbox,Berlin,4,64Gi\n")))
    (node,) = imported(None, files=files)
    assert (node["kind"], node["spec"]["site"]) == ("Node", "Berlin")


# Limits, names, options


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.importers.sources.MAX_FILE_BYTES", 2**20)
    ((_, reason),) = problems(written(tmp_path, "x.json", b" " * (2**20 + 1)))
    assert "more than 1 MiB" in reason


def test_too_many_rows_end_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.importers.network.MAX_ROWS", 10)
    found = problems(written(tmp_path, "x.csv", "name\n" + "\n".join(f"s{n}" for n in range(20))))
    assert found == [("x.csv:12", "an import has at most 10 rows; import it in parts under several names")]


@pytest.mark.parametrize(("name", "words"), [("none.json", "No such file"), ("", "Is a directory"), ("a\0b", "null")])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, words: str) -> None:
    ((_, reason),) = problems(str(tmp_path) if not name else str(tmp_path / name))
    assert words in reason


def test_names_keep_their_letters_and_lose_what_paths_are_made_of() -> None:
    assert clean_name("Frankfurt/Main") == "Frankfurt-Main"
    assert clean_name("  A\u030angstro\u0308m \t x ") == "Ångström x"
    assert clean_name("東京") == "東京"


def test_a_changed_name_is_shown_as_it_was(tmp_path: Path) -> None:
    content = node_link([{"id": 1, "name": "Halle/Saale"}], [])
    (site,) = [one for one in imported(written(tmp_path, "n.json", content)) if one["kind"] == "Site"]
    assert site["metadata"] == {
        "name": "Halle-Saale",
        "displayName": "Halle/Saale",
        "external": {"system": "IMPORT:n", "id": "1"},
    }


@pytest.mark.parametrize(
    ("tier", "expected"),
    [("auto", "METRO"), ("population", "METRO"), ("degree", "DISTRICT"), ("REGIONAL", "REGIONAL")],
)
def test_the_tier_is_chosen_as_asked(tmp_path: Path, tier: str, expected: str) -> None:
    content = node_link([{"id": 1, "population": 60_000}], [])
    (site,) = by_kind(imported(written(tmp_path, "n.json", content), tier=tier), "Site").values()
    assert site["tier"] == expected


def test_options_make_nodes_a_cluster_and_prefixed_names() -> None:
    documents = imported("topohub:sndlib/polska", prefix="pl-", cluster="lab", nodes=2, tenant="shop", region="Polska")
    sites, nodes = by_kind(documents, "Site"), by_kind(documents, "Node")
    assert all(name.startswith("pl-") for name in sites)
    assert len(nodes) == 2 * len(sites)
    assert by_kind(documents, "Cluster")["lab"] == {"driver": "simulated", "sites": list(sites)}
    assert {one["metadata"]["tenant"] for one in documents} == {"shop"}
    assert list(by_kind(documents, "Region")) == ["Polska"]


def test_a_region_of_others_is_referred_to_and_not_made() -> None:
    documents = imported("topohub:sndlib/polska", region="Europe", taken_regions=frozenset({"Europe"}))
    assert by_kind(documents, "Region") == {}
    assert {one["region"] for one in by_kind(documents, "Site").values()} == {"Europe"}


def test_the_same_file_gives_the_same_documents() -> None:
    assert imported("topohub:caida/2024-08/7018") == imported("topohub:caida/2024-08/7018")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
KEYS = st.sampled_from(["id", "name", "lat", "lon", "pos", "tier", "cpu", "memory", "labels", "population", "type"])
ROWS = st.lists(st.dictionaries(KEYS, VALUES, max_size=6) | SCALARS, max_size=5)


@settings(max_examples=150, deadline=None)
@given(
    nodes=ROWS,
    lines=st.lists(st.dictionaries(st.sampled_from(["source", "target", "dist", "key"]), SCALARS), max_size=4),
)
def test_whatever_a_file_holds_it_is_imported_or_refused(
    tmp_path_factory: Any, nodes: list[Any], lines: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.json"
    path.write_text(json.dumps({"nodes": nodes, "edges": lines}))
    try:
        documents = imported(str(path))
    except ImportRefused:
        return
    for at, one in enumerate(documents):
        document_from(one, where=str(at))
