"""GraphML, as the Internet Topology Zoo, networkx, yEd and Gephi write it.

Read as a stream, with the line of every element at hand. XML can name files and other places, and entities can stand for
gigabytes: a document type declaration of any sort is refused before its content is looked at (defusedxml).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import AttributesImpl, InputSource, Locator

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from server.importers.network import ImportRefused, Network, Problem, RowWrong
from server.importers.nodelink import settle_positions
from server.importers.rows import line_of, place_of

MAX_DEPTH = 64
MAX_TEXT = 100_000
"""Characters of one attribute's value."""


def read_graphml(content: bytes, *, file: str, name: str) -> Network:
    """The network of a GraphML file. Raises ImportRefused."""
    network = Network(name)
    handler = _Handler(network, file=file)
    parser = make_parser()
    parser.setFeature(feature_namespaces, False)
    parser.forbid_dtd = True
    parser.setContentHandler(handler)
    source = InputSource(file)
    source.setByteStream(io.BytesIO(content))
    try:
        parser.parse(source)
    except DefusedXmlException:
        line = parser.getLineNumber() or 1
        reason = "has a document type declaration or entities, which are not taken: remove the line <!DOCTYPE …>"
        raise ImportRefused([Problem(f"{file}:{line}", reason)]) from None
    except SAXParseException as problem:
        raise ImportRefused(
            [Problem(f"{file}:{problem.getLineNumber()}", f"is no XML: {problem.getMessage()}")]
        ) from None
    except (SAXException, ValueError, LookupError) as problem:
        raise ImportRefused([Problem(f"{file}:{parser.getLineNumber() or 1}", f"is no XML: {problem}")]) from None
    if not handler.is_graphml:
        raise ImportRefused([Problem(f"{file}:1", "is no GraphML: its outer element is not <graphml>")])
    settle_positions(network)
    network.check()
    return network


@dataclass(slots=True)
class _Row:
    """A node or edge that is open: a node may hold a graph of its own."""

    tag: str
    where: str
    given: dict[str, str]
    """The element's own attributes."""
    data: dict[str, str] = field(default_factory=dict)
    too_long: str | None = None
    """The name of a value that is longer than it may be."""


class _Handler(ContentHandler):
    """Collects nodes and edges with their `data`, whatever stands around them."""

    def __init__(self, network: Network, *, file: str) -> None:
        super().__init__()
        self.is_graphml = False
        self._network = network
        self._file = file
        self._where = file
        self._locator: Locator | None = None
        self._path: list[str] = []
        self._names: dict[str, str] = {}
        """The attributes' names by the ids of their keys."""
        self._defaults: dict[str, dict[str, str]] = {"node": {}, "edge": {}}
        self._open: list[_Row] = []
        self._key: str | None = None
        self._key_for = ""
        self._text: list[str] | None = None
        self._length = 0
        self._directed = False
        self._taken: set[tuple[str, str, str | None]] = set()

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - SAX calls it so
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX calls it so
        tag = name.rpartition(":")[2]
        if not self._path:
            self.is_graphml = tag == "graphml"
        self._path.append(tag)
        if len(self._path) > MAX_DEPTH:
            raise SAXParseException(f"more than {MAX_DEPTH} levels", None, self._locator)  # type: ignore[arg-type]  # typeshed wants an exception; the parser itself gives None
        given = dict(attrs.items())
        if tag == "key":
            self._key, self._key_for = given.get("id"), given.get("for", "all")
            if self._key is not None:
                self._names[self._key] = given.get("attr.name", self._key)
        elif tag == "default" and self._key is not None:
            self._text, self._length = [], 0
        elif tag == "graph":
            self._directed = given.get("edgedefault") == "directed"
            if not self._open and len(self._path) == 2 and given.get("id"):
                self._network.name = self._network.name or given["id"]
        elif tag in ("node", "edge"):
            self._open.append(_Row(tag, f"{self._file}:{self._line()}", given))
        elif tag == "data" and self._open:
            self._key = given.get("key")
            self._text, self._length = [], 0

    def characters(self, content: str) -> None:
        if self._text is not None:
            self._length += len(content)
            if self._length <= MAX_TEXT:
                self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX calls it so
        tag = self._path.pop()
        if self._text is not None and self._length > MAX_TEXT:
            self._text = None
            name = self._names.get(self._key or "", "a value")
            if self._open:
                self._open[-1].too_long = name
            else:
                self._network.problem(f"{self._file}:{self._line()}", f"{name} has more than {MAX_TEXT} characters")
        if tag in ("data", "default") and self._text is not None and self._key is not None:
            value = "".join(self._text).strip()
            self._text = None
            if tag == "default":
                for kind in ("node", "edge"):
                    if self._key_for in (kind, "all"):
                        self._defaults[kind][self._names[self._key]] = value
            elif self._open and value:
                self._open[-1].data[self._names.get(self._key, self._key)] = value
        elif tag == "key":
            self._key = None
        elif tag in ("node", "edge") and self._open:
            self._take(self._open.pop())

    def _take(self, row: _Row) -> None:
        data, given, where = self._defaults[row.tag] | row.data, row.given, row.where
        with self._network.row(where):
            if row.too_long is not None:
                raise RowWrong(f"{row.too_long} has more than {MAX_TEXT} characters")
            if row.tag == "node":
                own = {key: value for key, value in data.items() if key.lower() != "id"}
                self._network.add(place_of(own, where=where, key=given.get("id")))
                return
            # The ends are those of the element; an attribute of the same name in the data is something else.
            kept = {key: value for key, value in data.items() if key.lower() not in ("source", "target")}
            own_id = given.get("id") or kept.pop("id", None)
            line = line_of(
                kept | {"source": given.get("source"), "target": given.get("target"), "id": own_id}, where=where
            )
            directed = given.get("directed", "true" if self._directed else "false") == "true"
            if directed and (line.ends[1], line.ends[0], line.key) in self._taken:
                return
            self._taken.add((*line.ends, line.key))
            self._network.lines.append(line)

    def _line(self) -> int:
        return (self._locator.getLineNumber() or 1) if self._locator is not None else 1
