// What may be asked of a deployment on its page: the verbs that one press asks for, and those that ask back what is meant.

import { at, type Row } from "../lists/values";
import { rowsOf } from "./rows";

/** A verb of the deployment's page: the mutation, and what it takes beside the id. */
export interface Asked {
  readonly verb: string;
  readonly field: string;
  readonly given: Readonly<Record<string, number>>;
}

const PLAIN: readonly (readonly [verb: string, field: string])[] = [
  ["RESUME", "resumeDeployment"],
  ["PAUSE", "pauseDeployment"],
  ["STOP", "stopDeployment"],
];

function possibleOf(deployment: Row): ReadonlySet<string> {
  return new Set(Array.isArray(deployment.possibleVerbs) ? deployment.possibleVerbs.map(String) : []);
}

/** What may be asked for by one press, in the order of the buttons. */
export function askable(deployment: Row): readonly Asked[] {
  const possible = possibleOf(deployment);
  const waits = Number(at(deployment, "proposal", "number") ?? 0);
  const found: Asked[] = [];
  if (possible.has("APPROVE") && waits > 0) found.push({ verb: "APPROVE", field: "approveDeployment", given: { revisionNumber: waits } });
  for (const [verb, field] of PLAIN) if (possible.has(verb)) found.push({ verb, field, given: {} });
  if (possible.has("TERMINATE")) found.push({ verb: "TERMINATE", field: "terminateDeployment", given: {} });
  return found;
}

/** The mutation of a verb. */
export function verbDocument({ field, given }: Asked): string {
  const type = field.charAt(0).toUpperCase() + field.slice(1);
  // A pause begins nothing: there is no operation to follow.
  const begun = field === "pauseDeployment" ? "" : `... on ${type}Payload { operation { id } }`;
  const more = Object.keys(given).map((name) => `, $${name}: Int!`);
  const input = ["id: $id", "idempotencyKey: $key", ...Object.keys(given).map((name) => `${name}: $${name}`)].join(", ");
  return `mutation Ask($id: ID!, $key: String!${more.join("")}) {
  ${field}(input: { ${input} }) { __typename ${begun} ... on Error { message remedy } }
}`;
}

/** The verbs that ask back, in the order of the buttons, with their mutations. */
const FORMS = {
  UPDATE: "updateDeployment",
  SCALE: "scaleDeployment",
  ADD_SITES: "addSites",
  REMOVE_SITES: "removeSites",
  ADJUST_SITE: "adjustSite",
  MIGRATE: "migrateDeployment",
  ROLL_BACK: "rollbackDeployment",
} as const;

export type FormVerb = keyof typeof FORMS;

/** What was said in a form; what a verb does not ask for stays as it is here. */
export interface Said {
  /** Ids of sites. */
  readonly sites: readonly string[];
  /** The id of a version; empty: the one that runs. */
  readonly version: string;
  /** Replicas by component, as they were typed; empty: as at the others, or as they are. */
  readonly replicas: Readonly<Record<string, string>>;
  /** Values files by component, as they were typed; those of other components stay as they are. */
  readonly values: Readonly<Record<string, string>>;
  /** The number of a revision, as it was chosen or typed. */
  readonly revision: string;
}

export const NOTHING_SAID: Said = { sites: [], version: "", replicas: {}, values: {}, revision: "" };

/** The verbs with a form that the server grants now; a rollback needs something to go back to. */
export function formsOf(deployment: Row): readonly FormVerb[] {
  const possible = possibleOf(deployment);
  const past = Number(deployment.revisionNumber ?? 0) > 1;
  return (Object.keys(FORMS) as FormVerb[]).filter((verb) => possible.has(verb) && (verb !== "ROLL_BACK" || past));
}

/** The overrides that a change starts from: those of the change that waits for approval, or those that it has. */
function overridesOf(deployment: Row): readonly Row[] {
  return rowsOf(at(deployment, "proposal") === null || at(deployment, "proposal") === undefined ? deployment.overrides : at(deployment, "proposal", "overrides"));
}

function isWhole(override: Row): boolean {
  const sites = override.siteIds;
  return typeof override.path !== "string" && typeof override.siteSelector !== "string" && !(Array.isArray(sites) && sites.length > 0);
}

/** The values file of a component that holds everywhere; empty when there is none. A mapping is shown as JSON. */
export function valuesOf(deployment: Row, component: string): string {
  const found = overridesOf(deployment).filter((one) => one.component === component && isWhole(one));
  const last = found[found.length - 1];
  if (last === undefined) return "";
  return typeof last.document === "string" ? last.document : JSON.stringify(last.value, null, 2);
}

/** All overrides with the values that were typed in the place of those that held everywhere; null when none was changed. */
function changedValues(deployment: Row, said: Said["values"]): readonly Row[] | null {
  const changed = Object.entries(said).filter(([component, text]) => text.trim() !== valuesOf(deployment, component).trim());
  if (changed.length === 0) return null;
  const names = new Set(changed.map(([component]) => component));
  const kept = overridesOf(deployment).filter((one) => !(names.has(String(one.component)) && isWhole(one)));
  const given = kept.map((one) => Object.fromEntries(Object.entries(one).filter(([, value]) => value !== null)));
  return [...given, ...changed.filter(([, text]) => text.trim() !== "").map(([component, document]) => ({ component, document }))];
}

/** Replicas as the API takes them; null when what was typed is no number. */
function countsTyped(said: Said["replicas"]): readonly Row[] | null {
  const typed = Object.entries(said).filter(([, count]) => count.trim() !== "");
  if (!typed.every(([, count]) => /^\d{1,6}$/.test(count.trim()))) return null;
  return typed.map(([name, count]) => ({ name, count: Number(count) }));
}

/** The mutation of a verb with a form; its input is a variable as a whole. */
export function formDocument(verb: FormVerb): string {
  const field = FORMS[verb];
  const type = field.charAt(0).toUpperCase() + field.slice(1);
  return `mutation Ask($input: ${type}Input!) {
  ${field}(input: $input) { __typename ... on ${type}Payload { operation { id } } ... on Error { message remedy } }
}`;
}

/** The field of a verb's answer. */
export function fieldOf(verb: FormVerb): string {
  return FORMS[verb];
}

/** The input of a verb beside the id and the key; null while what it needs was not said, or cannot be meant. */
export function inputOf(verb: FormVerb, said: Said, deployment: Row): Readonly<Record<string, unknown>> | null {
  const { sites, version } = said;
  const counts = countsTyped(said.replicas);
  switch (verb) {
    case "UPDATE": {
      const overrides = changedValues(deployment, said.values);
      if (version === "" && overrides === null) return null;
      // Overrides are replaced whole: what was read must be what they are laid over.
      const seen = overrides === null ? {} : { overrides, expectedRevision: deployment.revision };
      return { ...(version !== "" ? { appVersionId: version } : {}), ...seen };
    }
    case "SCALE":
      return counts !== null && counts.length > 0 ? { replicas: counts } : null;
    case "ADD_SITES":
    case "REMOVE_SITES":
      return sites.length > 0 ? { siteIds: sites } : null;
    case "ADJUST_SITE":
      if (sites.length !== 1 || counts === null) return null;
      return { siteId: sites[0], ...(counts.length > 0 ? { replicas: counts } : {}) };
    case "MIGRATE":
      if (sites.length === 0 && version === "") return null;
      return { ...(sites.length > 0 ? { toSiteIds: sites } : {}), ...(version !== "" ? { appVersionId: version } : {}) };
    case "ROLL_BACK":
      return /^[1-9]\d{0,8}$/.test(said.revision) ? { revisionNumber: Number(said.revision) } : null;
  }
}

/** The revisions that a deployment can go back to, newest first: all but the one that it has. */
export function earlierOf(deployment: Row): readonly Row[] {
  return rowsOf(at(deployment, "revisions", "nodes")).filter((one) => one.number !== deployment.revisionNumber && one.outcome !== "WAITING");
}

/** The sites where a deployment is, of the answer to the status query. */
export function sitesOf(deployment: Row): readonly Row[] {
  return rowsOf(at(deployment, "siteStatuses", "nodes")).flatMap((one) => rowsOf([one.site]));
}
