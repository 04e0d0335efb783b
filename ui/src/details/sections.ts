// What hangs on a thing of each kind: its lists, each a filter of that kind's list.

import type { ListKind } from "../dashboard/routes";

export interface Section {
  readonly kind: ListKind;
  readonly filter: (id: string) => Readonly<Record<string, unknown>>;
  /** The column that says what one is looking at already. */
  readonly without?: readonly string[];
}

const by = (field: string) => (id: string) => ({ [field]: id });
const subject = (id: string) => ({ subjectId: { eq: id } });

const OPERATIONS: Section = { kind: "operations", filter: subject, without: ["subject"] };
const EVENTS: Section = { kind: "events", filter: subject, without: ["subject"] };

/** Who signs in: what they may do, and by which tokens. */
const ACCOUNT: readonly Section[] = [
  { kind: "role-bindings", filter: by("subject"), without: ["subject"] },
  { kind: "api-tokens", filter: by("owner"), without: ["owner"] },
  EVENTS,
];

/** By type name, in the order in which they are shown. */
export const SECTIONS: Readonly<Record<string, readonly Section[]>> = {
  Region: [
    { kind: "regions", filter: by("parent"), without: ["parent"] },
    { kind: "sites", filter: by("inRegion") },
    EVENTS,
  ],
  Site: [
    { kind: "nodes", filter: by("site"), without: ["site"] },
    { kind: "releases", filter: by("site"), without: ["site"] },
    { kind: "instances", filter: by("site"), without: ["site"] },
    { kind: "site-scalings", filter: by("site"), without: ["site"] },
    { kind: "links", filter: (id) => ({ or: [{ fromSite: id }, { toSite: id }] }) },
    { kind: "clusters", filter: by("site") },
    { kind: "services", filter: by("site"), without: ["site"] },
    EVENTS,
    OPERATIONS,
  ],
  Node: [{ kind: "instances", filter: by("node"), without: ["node"] }, EVENTS, OPERATIONS],
  Link: [EVENTS],
  Cluster: [
    { kind: "nodes", filter: by("cluster"), without: ["cluster"] },
    { kind: "releases", filter: by("cluster") },
    EVENTS,
  ],
  App: [{ kind: "app-versions", filter: by("app"), without: ["app"] }, EVENTS],
  AppVersion: [
    { kind: "components", filter: by("appVersion"), without: ["version"] },
    { kind: "profiles", filter: by("appVersion"), without: ["version"] },
    { kind: "deployments", filter: by("appVersion"), without: ["version"] },
    EVENTS,
  ],
  Component: [
    { kind: "services", filter: by("component"), without: ["component"] },
    { kind: "releases", filter: by("component"), without: ["component"] },
    EVENTS,
  ],
  Package: [{ kind: "components", filter: by("package") }, EVENTS],
  Profile: [{ kind: "deployments", filter: by("profile"), without: ["version"] }, EVENTS],
  Deployment: [
    { kind: "releases", filter: by("deployment"), without: ["deployment", "tenant"] },
    { kind: "site-scalings", filter: by("deployment"), without: ["deployment", "tenant"] },
    { kind: "scaling-policies", filter: by("deployment"), without: ["deployment", "tenant"] },
    OPERATIONS,
    EVENTS,
  ],
  ScalingPolicy: [{ kind: "site-scalings", filter: by("policy"), without: ["deployment", "component", "target", "least", "most", "tenant"] }, EVENTS],
  Release: [{ kind: "instances", filter: by("release"), without: ["release"] }, EVENTS],
  Instance: [EVENTS],
  Service: [EVENTS],
  User: ACCOUNT,
  ServiceAccount: ACCOUNT,
  ApiToken: [EVENTS],
  RoleBinding: [EVENTS],
  Secret: [EVENTS],
  Plan: [EVENTS],
  Operation: [EVENTS],
  Tenant: [
    { kind: "apps", filter: by("tenant"), without: ["tenant"] },
    { kind: "deployments", filter: by("tenant"), without: ["tenant"] },
    { kind: "packages", filter: by("tenant"), without: ["tenant"] },
    { kind: "service-accounts", filter: by("tenant"), without: ["tenant"] },
    { kind: "role-bindings", filter: by("tenant"), without: ["tenant"] },
    { kind: "secrets", filter: by("tenant"), without: ["tenant"] },
    { kind: "operations", filter: by("tenant"), without: ["tenant"] },
    EVENTS,
  ],
};
