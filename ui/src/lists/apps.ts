// The lists of what can be deployed, and of what it offers.

import { NAME, NAMES, REST, TENANT, type Kind } from "./columns";
import { at, bytes, cores, entity, instant, list, numeric, text, word } from "./values";

export const APPS = {
  apps: {
    field: "apps",
    type: "App",
    columns: [
      NAME,
      { key: "latest", select: "latestVersion { id name }", cell: (row) => entity(row.latestVersion) },
      { key: "description", select: "description", cell: (row) => text(row.description) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "app-versions": {
    field: "appVersions",
    type: "AppVersion",
    columns: [
      NAME,
      { key: "app", select: "app { id name }", cell: (row) => entity(row.app) },
      { key: "components", select: "components { totalCount }", cell: (row) => numeric(at(row, "components", "totalCount")) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  components: {
    field: "components",
    type: "Component",
    columns: [
      NAME,
      {
        key: "version",
        select: "appVersion { id name app { name } }",
        cell: (row) => entity(row.appVersion, "name"),
      },
      { key: "replicas", select: "replicas", cell: (row) => numeric(row.replicas), order: "REPLICAS" },
      { key: "cpu", select: "resources { cpuMillicores memoryBytes }", cell: (row) => cores(at(row, "resources", "cpuMillicores")), unit: "cores" },
      { key: "memory", select: "resources { memoryBytes }", cell: (row) => bytes(at(row, "resources", "memoryBytes")), unit: "bytes" },
      { key: "dependsOn", select: "dependsOn", cell: (row) => list(row.dependsOn) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  services: {
    field: "services",
    type: "Service",
    columns: [
      NAME,
      { key: "scope", select: "scope", cell: (row) => word(row.scope), order: "SCOPE" },
      { key: "site", select: "site { id name displayName }", cell: (row) => entity(row.site) },
      { key: "component", select: "component { id name }", cell: (row) => entity(row.component) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true, place: "at-site" },
  },
  packages: {
    field: "packages",
    type: "Package",
    newestFirst: "CREATED_AT",
    columns: [
      { key: "name", select: "id fileName", cell: (row) => entity(row, "fileName"), order: "FILE_NAME" },
      { key: "type", select: "type", cell: (row) => word(row.type), order: "TYPE" },
      { key: "size", select: "sizeBytes", cell: (row) => bytes(Number(row.sizeBytes)), order: "SIZE_BYTES", unit: "bytes" },
      { key: "digest", select: "digest", cell: (row) => text(row.digest) },
      { key: "components", select: "components { totalCount }", cell: (row) => numeric(at(row, "components", "totalCount")) },
      { key: "unused", select: "unusedSince", cell: (row) => instant(row.unusedSince), order: "UNUSED_SINCE" },
      TENANT,
      ...REST,
    ],
    filters: { text: ["fileName", "digest"], labels: true },
  },
  profiles: {
    field: "profiles",
    type: "Profile",
    columns: [
      NAME,
      {
        key: "version",
        select: "appVersion { id name app { name } }",
        cell: (row) => entity(row.appVersion, "name"),
      },
      { key: "description", select: "description", cell: (row) => text(row.description) },
      { key: "deployments", select: "deployments { totalCount }", cell: (row) => numeric(at(row, "deployments", "totalCount")) },
      { key: "used", select: "usedAt", cell: (row) => instant(row.usedAt), order: "USED_AT" },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
} satisfies Readonly<Record<string, Kind>>;
