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
  const number = Number(deployment.revisionNumber ?? 0);
  const waits = Number(at(deployment, "proposal", "number") ?? 0);
  const found: Asked[] = [];
  if (possible.has("APPROVE") && waits > 0) found.push({ verb: "APPROVE", field: "approveDeployment", given: { revisionNumber: waits } });
  for (const [verb, field] of PLAIN) if (possible.has(verb)) found.push({ verb, field, given: {} });
  if (possible.has("ROLL_BACK") && number > 1) found.push({ verb: "ROLL_BACK", field: "rollbackDeployment", given: { revisionNumber: number - 1 } });
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
const FORMS = { ADD_SITES: "addSites", REMOVE_SITES: "removeSites", ADJUST_SITE: "adjustSite", MIGRATE: "migrateDeployment" } as const;

export type FormVerb = keyof typeof FORMS;

/** What was said in a form; what a verb does not ask for stays as it is here. */
export interface Said {
  /** Ids of sites. */
  readonly sites: readonly string[];
  /** The id of a version; empty: the one that runs. */
  readonly version: string;
  /** Replicas by component, as they were typed; empty: as at the others. */
  readonly replicas: Readonly<Record<string, string>>;
}

export const NOTHING_SAID: Said = { sites: [], version: "", replicas: {} };

/** The verbs with a form that the server grants now. */
export function formsOf(deployment: Row): readonly FormVerb[] {
  const possible = possibleOf(deployment);
  return (Object.keys(FORMS) as FormVerb[]).filter((verb) => possible.has(verb));
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
export function inputOf(verb: FormVerb, said: Said): Readonly<Record<string, unknown>> | null {
  const { sites, version } = said;
  if (verb === "MIGRATE") {
    if (sites.length === 0 && version === "") return null;
    return { ...(sites.length > 0 ? { toSiteIds: sites } : {}), ...(version !== "" ? { appVersionId: version } : {}) };
  }
  if (verb !== "ADJUST_SITE") return sites.length > 0 ? { siteIds: sites } : null;
  const typed = Object.entries(said.replicas).filter(([, count]) => count.trim() !== "");
  if (sites.length !== 1 || !typed.every(([, count]) => /^\d{1,6}$/.test(count.trim()))) return null;
  return { siteId: sites[0], ...(typed.length > 0 ? { replicas: typed.map(([name, count]) => ({ name, count: Number(count) })) } : {}) };
}

/** The sites where a deployment is, of the answer to the status query. */
export function sitesOf(deployment: Row): readonly Row[] {
  return rowsOf(at(deployment, "siteStatuses", "nodes")).flatMap((one) => rowsOf([one.site]));
}
