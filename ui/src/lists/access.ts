// The lists of who may do what, and of what was done.

import { NAME, NAMES, REST, TENANT, type Kind } from "./columns";
import { actor, entity, instant, list, numeric, text, word, yesNo } from "./values";

export const ACCESS = {
  tenants: { field: "tenants", type: "Tenant", columns: [NAME, ...REST], filters: { text: NAMES, labels: true } },
  users: {
    field: "users",
    type: "User",
    columns: [
      NAME,
      { key: "email", select: "email", cell: (row) => text(row.email), order: "EMAIL" },
      { key: "disabled", select: "disabled", cell: (row) => yesNo(row.disabled, "disabled", "may sign in"), order: "DISABLED" },
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "service-accounts": {
    field: "serviceAccounts",
    type: "ServiceAccount",
    columns: [
      NAME,
      { key: "disabled", select: "disabled", cell: (row) => yesNo(row.disabled, "disabled", "may sign in"), order: "DISABLED" },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "api-tokens": {
    field: "apiTokens",
    type: "ApiToken",
    columns: [
      NAME,
      { key: "role", select: "role", cell: (row) => word(row.role), order: "ROLE" },
      { key: "owner", select: "owner { id displayName ... on Named { name } }", cell: (row) => entity(row.owner) },
      { key: "expires", select: "expiresAt", cell: (row) => instant(row.expiresAt), order: "EXPIRES_AT" },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "role-bindings": {
    field: "roleBindings",
    type: "RoleBinding",
    columns: [
      { key: "subject", select: "subject { id displayName ... on Named { name } }", cell: (row) => entity(row.subject) },
      { key: "role", select: "role", cell: (row) => word(row.role), order: "ROLE" },
      TENANT,
      ...REST,
      { key: "open", select: "id", cell: (row) => (typeof row.id === "string" ? { is: "entity", id: row.id, text: row.id } : text("")) },
    ],
    filters: { labels: true },
  },
  secrets: {
    field: "secrets",
    type: "Secret",
    columns: [
      NAME,
      { key: "keys", select: "keys", cell: (row) => list(row.keys) },
      { key: "version", select: "version", cell: (row) => numeric(row.version), order: "VERSION" },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "audit-log": {
    field: "auditLog",
    type: "AuditEntry",
    newestFirst: "AT",
    filed: true,
    noPage: true,
    columns: [
      { key: "at", select: "id at", cell: (row) => instant(row.at), order: "AT" },
      { key: "author", select: "author { name entity { id } }", cell: (row) => actor(row.author) },
      { key: "action", select: "action", cell: (row) => text(row.action) },
      { key: "outcome", select: "outcome", cell: (row) => word(row.outcome) },
      {
        key: "subject",
        select: "subjectId",
        cell: (row) => (typeof row.subjectId === "string" ? { is: "entity", id: row.subjectId, text: row.subjectId } : text("")),
      },
      { key: "changes", select: "changeCount", cell: (row) => numeric(row.changeCount) },
      { key: "address", select: "address", cell: (row) => text(row.address), hidden: true },
      TENANT,
    ],
    filters: {},
  },
} satisfies Readonly<Record<string, Kind>>;
