"""Documents as text: what is read of them, and that no text, however hostile, does more than be refused with its place."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graph.kinds  # noqa: F401 - declares the kinds
from graph import documents
from graph.documents import APPLICABLE, Document, document_from, parse_documents
from graph.entity import KINDS, ExternalId
from graph.refusal import InvalidInput, LimitExceeded, Refusal

SITE = {"kind": "Site", "metadata": {"name": "s"}, "spec": {"region": "r"}}
YAML = """\
kind: Site
metadata:
  name: s
spec:
  region: r
"""


def plain(found: list[Document]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(one.kind, one.name, one.spec) for one in found]


EXPECTED = [("Site", "s", {"region": "r"})]


@pytest.mark.parametrize(
    "text",
    [
        YAML,
        f"---\n{YAML}",
        f"{YAML}---\n",
        f"# a comment\n\n{YAML}\n...\n",
        json.dumps(SITE),
        json.dumps([SITE]),
        f"  \n {json.dumps(SITE)}",
        json.dumps({"kind": "List", "items": [SITE]}),
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [SITE]}),
        "kind: List\nitems:\n- kind: Site\n  metadata: {name: s}\n  spec: {region: r}\n",
        "- kind: Site\n  metadata: {name: s}\n  spec: {region: r}\n",
        "{kind: Site, metadata: {name: s}, spec: {region: r}}",
        "{kind: Site, metadata: {name: s}, spec: {region: r}}\n---\n",
        f"apiVersion: edgeatlas/v1\n{YAML}",
        "\ufeff" + YAML,
        "\ufeff" + json.dumps(SITE),
        YAML.replace("\n", "\r\n"),
        "kind: !!str Site\nmetadata: {name: s}\nspec: {region: r}\n",
    ],
)
def test_the_same_document_is_read_however_it_is_written(text: str) -> None:
    assert plain(parse_documents(text)) == EXPECTED


@pytest.mark.parametrize("text", ["", "   ", "\n---\n---\n", "# only a comment", "[]", '{"kind": "List", "items": []}'])
def test_nothing_is_no_document(text: str) -> None:
    assert parse_documents(text) == []


def test_each_document_knows_its_place() -> None:
    found = parse_documents(f"{YAML}---\n\n{YAML}", name="sites.yaml")
    assert [one.where for one in found] == ["sites.yaml:1", "sites.yaml:8"]
    found = parse_documents(json.dumps({"kind": "List", "items": [SITE, SITE]}), name="x.json")
    assert [one.where for one in found] == ["x.json:1[0]", "x.json:1[1]"]


def test_metadata_is_read_whole() -> None:
    (found,) = parse_documents(
        """
        kind: Region
        metadata:
          name: 東京
          tenant: acme
          displayName: "München & Co: 'x'"
          labels: {zone: west, "example.org/x": "1"}
          external: {system: cmdb, id: "17"}
        """.replace("\n        ", "\n")
    )
    assert (found.name, found.tenant, found.display_name) == ("東京", "acme", "München & Co: 'x'")
    assert found.labels == {"zone": "west", "example.org/x": "1"}
    assert found.external == ExternalId("cmdb", "17")
    assert found.spec == {}


def test_what_is_null_in_metadata_is_told_from_what_is_absent() -> None:
    (absent,) = parse_documents("kind: Region\nmetadata: {name: r}")
    (null,) = parse_documents("kind: Region\nmetadata: {name: r, displayName: null, labels: ~, external: }")
    assert (absent.display_name, absent.labels, absent.external) == (msgspec.UNSET,) * 3
    assert (null.display_name, null.labels, null.external) == (None,) * 3
    for one in (absent, null):  # as the batch of an operation keeps them
        assert msgspec.json.decode(msgspec.json.encode(one), type=Document) == one


def test_dates_and_look_alikes_stay_text() -> None:
    (found,) = parse_documents(
        "kind: AppVersion\nmetadata: {name: 2026-01-31}\nspec: {releaseNotes: 2026-01-31T12:00:00Z}"
    )
    assert found.name == "2026-01-31"
    assert found.spec == {"releaseNotes": "2026-01-31T12:00:00Z"}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)
DEEP = 5_000
REFUSED = {
    "aliases": BOMB,
    "an alias to itself": "a: &a {b: *a}",
    "deep flow": "[" * DEEP + "]" * DEEP,
    "deep flow that never ends": "[" * 100_000,
    "deep mappings": "{a: " * DEEP,
    "deep blocks": "\n".join(" " * n + "a:" for n in range(200)),
    "deep JSON": '{"a":' * DEEP + "1" + "}" * DEEP,
    "JSON as deep as a value may not be": json.dumps({**SITE, "spec": {"a": json.loads("[" * 60 + "]" * 60)}}),
    "deep JSON arrays": "[" * 200_000,
    "a key twice": "kind: Site\nkind: Region\n",
    "a key twice in JSON": '{"kind": "Site", "kind": "Region", "metadata": {"name": "s"}}',
    "a key twice deep in JSON": '{"kind": "Site", "metadata": {"name": "s"}, "spec": {"region": "a", "region": "b"}}',
    "keys that are no text": "1: 2\n",
    "null as a key": "~: 2\n",
    "a list as a key": "? [a]\n: b\n",
    "objects of Python": "kind: !!python/object/apply:os.system ['true']",
    "a name of Python": "a: !!python/name:os.system",
    "an own tag": "a: !mine b",
    "no number": "a: !!int abc",
    "an empty number": 'a: !!int ""',
    "no float": "a: !!float abc",
    "no truth": "a: !!bool maybe",
    "no moment": "a: !!timestamp yesterday",
    "a number of 5,000 digits": f"kind: Site\nmetadata: {{name: s}}\nspec: {{a: {'9' * 5_000}}}",
    "a number of 5,000 digits in JSON": json.dumps(SITE).replace('"r"', "9" * 5_000),
    "a mapping that is a list": "a: !!map [x]",
    "a set": "kind: Site\nmetadata: {name: s}\nspec: {a: !!set {x, y}}",
    "bytes": "kind: Site\nmetadata: {name: s}\nspec: {a: !!binary aGVsbG8=}",
    "wrong bytes": "a: !!binary äöü",
    "pairs": "kind: Site\nmetadata: {name: s}\nspec: {a: !!pairs [x: 1, x: 2]}",
    "a moment": "kind: Site\nmetadata: {name: s}\nspec: {a: !!timestamp 2026-01-31}",
    "infinity": "kind: Site\nmetadata: {name: s}\nspec: {a: .inf}",
    "not a number": "kind: Site\nmetadata: {name: s}\nspec: {a: .nan}",
    "infinity in JSON": '{"kind": "Site", "metadata": {"name": "s"}, "spec": {"a": Infinity}}',
    "a number beyond all in JSON": '{"kind": "Site", "metadata": {"name": "s"}, "spec": {"a": 1e999}}',
    "half a pair": 'kind: Site\nmetadata: {name: "\\ud800"}\nspec: {}',
    "half a pair in the text": "kind: Site\nmetadata: {name: \ud800}",
    "half a pair in JSON": '{"kind": "Site", "metadata": {"name": "\\ud800"}}',
    "a merge": "<<: {kind: Site}\nmetadata: {name: s}\n",
    "a tab": "kind: Site\n\tmetadata: x",
    "a control character": "kind: Si\x00te",
    "an open quote": "kind: 'Site",
    "half JSON": '{"kind": "Site"',
    "JSON and more": json.dumps(SITE) + json.dumps(SITE),
    "a directive": "%YAML 9.9\n---\nkind: Site",
    "an unknown directive": "%TAG ! tag:example.org,2000:\n---\na: !x y",
    "text": "hello",
    "a number": "17",
    "a list of lists": "[[1]]",
    "an unknown kind": "kind: Pod\nmetadata: {name: x}",
    "a kind that is no text": "kind: [Site]\nmetadata: {name: x}",
    "no kind": "metadata: {name: x}",
    "a list that is none": "kind: List\nitems: 7",
    "another version": "apiVersion: v1\nkind: Site\nmetadata: {name: x}",
    "a version that is no text": "apiVersion: {a: b}\nkind: Site\nmetadata: {name: x}",
    "no metadata": "kind: Site",
    "metadata that is none": "kind: Site\nmetadata: [x]",
    "no name": "kind: Site\nmetadata: {}",
    "a name that is a number": "kind: Site\nmetadata: {name: 17}",
    "a name that is a truth": "kind: Site\nmetadata: {name: no}",
    "a label that is a number": "kind: Site\nmetadata: {name: x, labels: {a: 1}}",
    "labels that are none": "kind: Site\nmetadata: {name: x, labels: [a]}",
    "external without a system": "kind: Site\nmetadata: {name: x, external: {id: '1'}}",
    "metadata that nobody knows": "kind: Site\nmetadata: {name: x, namespace: y}",
    "a spec that is none": "kind: Site\nmetadata: {name: x}\nspec: 7",
    "a field beside": "kind: Site\nmetadata: {name: x}\nstatus: {}",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place_and_a_remedy(what: str) -> None:
    began = time.process_time()
    with pytest.raises(Refusal) as problem:
        parse_documents(REFUSED[what], name="set.yaml")
    assert time.process_time() - began < 20
    assert isinstance(problem.value, InvalidInput | LimitExceeded)
    assert problem.value.message.startswith("set.yaml")
    assert problem.value.path is not None
    assert problem.value.path.startswith("set.yaml")
    assert problem.value.remedy
    assert len(problem.value.message) < 2_000


GUESSED = {
    "kind: site\nmetadata: {name: x}": "did you mean 'Site'?",
    "kind: AppVersions\nmetadata: {name: x}": "did you mean 'AppVersion'?",
    "kind: Pod\nmetadata: {name: x}": "use one of App, ",
    "kind: 7\nmetadata: {name: x}": "use one of App, ",
    "kind: Site\nmetdata: {name: x}": "did you mean 'metadata'?",
    "kind: Site\nmetadata: {nam: x}": "did you mean 'name'?",
    "kind: Site\nmetadata: {name: x, display_name: y}": "did you mean 'displayName'?",
    "kind: Secret\nmetadata: {name: x}\ndata: {password: hunter2}": "edgeatlas secret create",
    "a: &a [x]\nb: *a": "write out what is meant",
    "kind: Site\nmetadata:\n\tname: x": "indent with spaces",
    "kind: Site\n1: x": "quote it",
    "{kind: Site, kind: Region}": "give it once",
}


@pytest.mark.parametrize("text", GUESSED)
def test_what_was_probably_meant_is_told(text: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        parse_documents(text)
    assert GUESSED[text] in (problem.value.remedy or "")


SECRETIVE = [
    "password: !!int hunter2",
    "password: !!bool hunter2",
    "password: !!float hunter2",
    "password: !!timestamp hunter2",
    "kind: Secret\nmetadata: {name: x}\ndata: {password: hunter2}",
    "kind: Secret\nmetadata: {name: x}\nstringData: {password: hunter2}",
    "kind: [hunter2]\nmetadata: {name: x}",
    "kind: {password: hunter2}\nmetadata: {name: x}",
    "apiVersion: {password: hunter2}\nkind: Site\nmetadata: {name: x}",
    "kind: Site\nmetadata: {name: x, external: hunter2}",
    "kind: Site\nmetadata: {name: x, labels: [hunter2]}",
    "kind: Site\nmetadata: [hunter2]",
    "kind: Site\nmetadata: {name: x}\nspec: hunter2",
    "kind: Site\nmetadata: {name: x}\npassword: hunter2",
    "password: 'hunter2' x",
    'password: "\\hunter2"',
    'password: "hunter2',
    "password: hunter2\npassword: hunter2",
    '{"password": "hunter2" "x"}',
    '{"password": "hunter2", "password": "hunter2"}',
    '{"password": hunter2}',
    "? {password: hunter2}\n: x",
]


@pytest.mark.parametrize("text", SECRETIVE)
def test_a_refusal_repeats_no_value_that_may_be_a_secret(text: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        parse_documents(text)
    told = f"{problem.value.message} {problem.value.remedy} {problem.value.path}"
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "text",
    [
        "kind: {0}\nmetadata: {{name: x}}",
        "apiVersion: {0}\nkind: Site\nmetadata: {{name: x}}",
        "kind: Site\n{0}: x",
        "kind: Site\nmetadata: {{name: x, {0}: y}}",
        "kind: Site\nmetadata: {{name: x, labels: {{a: {{{0}: y}}}}}}",
        '{{"{0}": 1, "{0}": 2}}',
    ],
)
def test_a_refusal_is_short_whatever_it_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        parse_documents(text.format("x" * 900))
    assert len(f"{problem.value.message} {problem.value.remedy}") < 400


def test_every_bad_document_of_a_text_is_told_with_its_line_and_none_is_read() -> None:
    bad = "kind: Nothing\nmetadata: {name: x}\n"
    with pytest.raises(InvalidInput) as problem:
        parse_documents("---\n".join([YAML, bad, YAML, bad, YAML]), name="a.yaml")
    lines = problem.value.message.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["a.yaml:7:", "a.yaml:16:"]
    with pytest.raises(InvalidInput) as problem:
        parse_documents(YAML + ("---\n" + bad) * 60, name="a.yaml")
    assert problem.value.message.endswith("(and 10 more)")


def test_a_mistake_is_told_with_its_line() -> None:
    with pytest.raises(InvalidInput) as problem:
        parse_documents(f"{YAML}---\nkind: Site\nmetadata: {{name: s}}\nmetadata: {{}}\n", name="a.yaml")
    assert problem.value.message.startswith("a.yaml:9:")
    with pytest.raises(InvalidInput) as problem:
        parse_documents('{\n"kind": "Site",\n"metadata" 7}', name="a.json")
    assert problem.value.message.startswith("a.json:3:")
    with pytest.raises(InvalidInput) as problem:
        parse_documents('[\n{"kind": "Site",\n"kind": "Site"}]', name="a.json")
    assert problem.value.message.startswith("a.json:3:")
    with pytest.raises(InvalidInput) as problem:
        parse_documents(f"{YAML}---\nkind: Nothing\n", name="a.yaml")
    assert problem.value.message.startswith("a.yaml:7:")


def test_a_set_is_not_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENTS", 3)
    assert len(parse_documents(json.dumps([SITE] * 3))) == 3
    for text in (json.dumps([SITE] * 4), f"{YAML}---\n" * 4):
        with pytest.raises(LimitExceeded) as problem:
            parse_documents(text)
        assert problem.value.remedy
    monkeypatch.setattr(documents, "MAX_TEXT_BYTES", 100)
    with pytest.raises(LimitExceeded) as problem:
        parse_documents("ä" * 60)
    assert problem.value.remedy


def test_every_kind_that_can_be_applied_is_there_and_parents_come_before_children() -> None:
    assert set(APPLICABLE) <= set(KINDS)
    for at, name in enumerate(APPLICABLE):
        for field in KINDS[name].refs:
            assert field.ref is not None
            for target in field.ref.kinds:
                if target in APPLICABLE and target != name:
                    assert APPLICABLE.index(target) < at, f"{target} comes before {name}"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_json_is_read_as_it_is(spec: dict[str, Any]) -> None:
    try:
        text = msgspec.json.encode({**SITE, "spec": spec}).decode()
    except UnicodeEncodeError:
        return
    (found,) = parse_documents(text)
    assert found.spec == spec


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="{}[]:,-&*!|>'\"\n \tab0#%?~<.", max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    found: list[Document] = []
    refused: Refusal | None = None
    try:
        found = parse_documents(text)
    except Refusal as problem:
        refused = problem
    assert refused is None or refused.path
    assert all(isinstance(one, Document) for one in found)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_any_value_is_a_document_or_refused(value: Any) -> None:
    refused: InvalidInput | None = None
    try:
        assert document_from(value, where="here").kind in APPLICABLE
    except InvalidInput as problem:
        refused = problem
    assert refused is None or refused.path == "here"
