"""Importers: files of other tools become declarative documents.

An importer reads files and nothing else: no server, no graph, no clock. What it gives is a list of documents as
graph/documents.py takes them, so an import is an `applyDocuments` like any other, and what is dry run, pruned and refused
is decided in one place, on the server. Each format has one module that reads rows into a `Network`; rows.py knows what
attributes are called, documents.py what they come to.

A file with a bad row gives no documents at all: `ImportRefused` has every bad row with its place and reason.
"""

from server.importers.documents import ImportOptions, documents_of
from server.importers.network import ImportRefused, Network, Problem
from server.importers.sources import FORMATS, CsvFiles, read_network

__all__ = [
    "FORMATS",
    "CsvFiles",
    "ImportOptions",
    "ImportRefused",
    "Network",
    "Problem",
    "documents_of",
    "read_network",
]
