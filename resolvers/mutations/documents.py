"""`applyDocuments`: a set of declarative documents, one commit or none within a commit's limits, a result for each."""

from __future__ import annotations

import asyncio
from typing import Any

import strawberry

from access.permissions import Permission, declare_root, declare_value_types
from access.refusals import told
from access.visible import VisibleView
from graph.applying import Action, Outcome
from graph.documents import parse_documents
from graph.entity import Source, SourceKind
from graph.refusal import InvalidInput
from resolvers.answers import request_of, verb
from resolvers.context import Context
from schema.errors import ErrorValue
from schema.inputs import IDEMPOTENCY
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, enum_type, input_type, object_type

UNSET = strawberry.UNSET
SOURCES = frozenset({SourceKind.DOCUMENTS, SourceKind.IMPORT})


class DocumentResult:
    """What became of one document, as the schema shows it."""

    def __init__(self, outcome: Outcome, view: VisibleView) -> None:
        self.kind = outcome.kind
        self.name = outcome.name
        self.where = outcome.where
        self.action = outcome.action
        self.id = outcome.id
        self.changed = outcome.changed
        self.error = ErrorValue(told(outcome.error, view)) if outcome.error is not None else None


async def _apply(context: Context, given: Any) -> Payload:
    if given.source_kind not in SOURCES:
        raise InvalidInput(
            "documents come from DOCUMENTS or an IMPORT", remedy="use one of them", path="input.sourceKind"
        )
    tenant_id = None if given.tenant_id is UNSET else given.tenant_id
    documents = await asyncio.to_thread(parse_documents, given.content)
    source = Source(given.source_kind, given.name)
    request = request_of(context, "applyDocuments", given, tenant_id=tenant_id, source=source)
    applied = await context.services.documents.apply(
        documents,
        viewer=context.viewer,
        source=source,
        request=request,
        tenant_id=tenant_id,
        prune=given.prune,
        allow_empty=given.allow_empty,
        dry_run=given.dry_run,
    )
    return Payload(
        "ApplyDocumentsPayload",
        applied=applied.applied,
        created=applied.count(Action.CREATED),
        updated=applied.count(Action.UPDATED),
        unchanged=applied.count(Action.UNCHANGED),
        deleted=applied.count(Action.DELETED),
        refused=applied.count(Action.REFUSED),
        results=[DocumentResult(one, context.view) for one in applied.shown],
        operation=applied.operation,
        revision=applied.revision,
    )


def document_mutations() -> dict[str, Member]:
    """The mutation of this module."""
    flag = "bool"
    input_type(
        "ApplyDocumentsInput",
        {
            "content": ("str", strawberry.field(description="YAML (several documents in one text) or JSON.")),
            "name": (
                "str",
                strawberry.field(
                    description="The set's name in its scope: what it made before is known by it. 1-253 characters."
                ),
            ),
            "tenant_id": (
                "Optional[ID]",
                strawberry.field(
                    description="The tenant whose set it is: its documents are that tenant's where they say nothing else. "
                    "Without it: the installation's, for who may write in every tenant; else that of the only tenant "
                    "that you work in.",
                    default=UNSET,
                ),
            ),
            "source_kind": (
                enum_type(SourceKind),
                strawberry.field(description="DOCUMENTS, or IMPORT. Default: DOCUMENTS.", default=SourceKind.DOCUMENTS),
            ),
            "prune": (
                flag,
                strawberry.field(
                    description="Delete what this very set made and no longer names. Default: false.", default=False
                ),
            ),
            "allow_empty": (
                flag,
                strawberry.field(
                    description="Take a set without documents that is to be pruned, which deletes all that it made. "
                    "Default: false.",
                    default=False,
                ),
            ),
            "dry_run": (
                flag,
                strawberry.field(description="Only say what would be done. Default: false.", default=False),
            ),
            "idempotency_key": ("Optional[str]", strawberry.field(description=IDEMPOTENCY, default=UNSET)),
        },
        description="A set of documents, in any order.",
    )
    object_type(
        "DocumentResult",
        {
            "kind": ("str", strawberry.field(description="The document's kind.")),
            "name": ("str", strawberry.field(description="Its name.")),
            "where": ("str", strawberry.field(description="Where it is in the text; empty for what is deleted.")),
            "action": (enum_type(Action), strawberry.field(description="What it came to.")),
            "id": ("Optional[ID]", strawberry.field(description="The entity, as far as there is one.")),
            "changed": ("list[str]", strawberry.field(description="The fields that change.")),
            "error": ("Optional[Error]", strawberry.field(description="Why it was refused.")),
        },
        description="What became of one document.",
    )
    count = "int"
    payload_type(
        "ApplyDocumentsPayload",
        {
            "applied": (
                flag,
                strawberry.field(
                    description="False for a dry run, and when a document was refused: nothing changed then."
                ),
            ),
            "created": (count, strawberry.field(description="How many are made.")),
            "updated": (count, strawberry.field(description="How many are changed.")),
            "unchanged": (count, strawberry.field(description="How many are so already.")),
            "deleted": (count, strawberry.field(description="How many are deleted.")),
            "refused": (count, strawberry.field(description="How many are refused.")),
            "results": (
                "list[DocumentResult]",
                strawberry.field(description="One for each, at most 2,000: refusals first, then changes."),
            ),
            "operation": (
                "Optional[Operation]",
                strawberry.field(description="What applies a set that one commit cannot hold; null otherwise."),
            ),
        },
        description="What became of the set.",
    )
    result_union("ApplyDocumentsResult", "ApplyDocumentsPayload", ("AlreadyExists", "Conflict", "InUse"))
    declare_value_types("DocumentResult")
    declare_root("Mutation", "applyDocuments", Permission.SIGNED_IN)
    return {
        "apply_documents": (
            None,
            verb(
                "applyDocuments",
                _apply,
                description="Several documents, any order: one commit or none, or an operation when a commit is too small.",
            ),
        )
    }
