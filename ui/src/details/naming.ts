// What a thing is called on its own page: by its name, and where it has none, by what it is between or of.

import { at, isRow } from "../lists/values";
import { t } from "../messages";

export const NAMING = `... on Named { name }
    ... on Release { backendName }
    ... on Instance { backendName }
    ... on Package { fileName }
    ... on AppVersion { app { name } }
    ... on Link { fromSite { name displayName } toSite { name displayName } }
    ... on RoleBinding { role subject { displayName ... on Named { name } } }
    ... on Site { siteRole: role }
    ... on Plan { planKind: kind deploymentName planned: subject { displayName ... on Named { name } } }
    ... on FailoverHold { region { displayName name } }
    ... on Operation { kind subject { displayName ... on Named { name } } }`;

/** The name of `found`, an answer with the fields of `NAMING`; its id where nothing else says what it is. */
export function nameOf(found: unknown): string {
  const type = at(found, "__typename");
  const own = shown(found);
  const n = t.details.naming;
  if (type === "AppVersion") return [at(found, "app", "name"), own].filter(Boolean).join(" ");
  if (type === "Operation") return n.operation(String(at(found, "kind")), shown(at(found, "subject")));
  if (own !== "") return own;
  if (type === "FailoverHold") return n.hold(shown(at(found, "region")));
  if (type === "Plan") return n.plan(String(at(found, "planKind")), shown(at(found, "planned")) || String(at(found, "deploymentName") ?? ""));
  const [from, to, subject] = ["fromSite", "toSite", "subject"].map((key) => shown(at(found, key))) as [string, string, string];
  if (type === "Link" && from !== "" && to !== "") return n.link(from, to);
  if (type === "RoleBinding" && subject !== "") return n.binding(subject, String(at(found, "role")).toLowerCase());
  return String(at(found, "id") ?? "");
}

function shown(value: unknown): string {
  if (!isRow(value)) return "";
  const found = [value.displayName, value.name, value.backendName, value.fileName].find((each) => typeof each === "string" && each !== "");
  return typeof found === "string" ? found : "";
}
