// A verb that asks back before it does anything: which sites, which version, how many. What is said is kept while the dialog is
// open and closed; the button that does it is there once enough was said.

import { useState } from "react";

import { at, type Row } from "../lists/values";
import { t } from "../messages";
import { Confirm } from "../parts/Confirm";
import { rowsOf } from "./rows";
import { FoundSites, ListedSites } from "./SitesField";
import { type FormVerb, inputOf, NOTHING_SAID, type Said, sitesOf } from "./verbs";

interface FormProps {
  readonly verb: FormVerb;
  readonly name: string;
  /** The answer to the status query. */
  readonly deployment: Row;
  readonly disabled: boolean;
  readonly onSaid: (input: Readonly<Record<string, unknown>>) => void;
}

export function VerbForm({ verb, name, deployment, disabled, onSaid }: FormProps) {
  const f = t.details.status.forms[verb];
  const [said, setSaid] = useState<Said>(NOTHING_SAID);
  const input = inputOf(verb, said);
  const say = (more: Partial<Said>) => setSaid((before) => ({ ...before, ...more }));
  return (
    <Confirm
      label={f.label}
      question={f.question(name)}
      confirm={f.yes}
      disabled={disabled}
      incomplete={input === null}
      onConfirm={() => {
        if (input === null) return;
        onSaid(input);
        setSaid(NOTHING_SAID);
      }}
    >
      <p>{f.means}</p>
      {verb === "MIGRATE" && <Version deployment={deployment} said={said.version} onSaid={(version) => say({ version })} />}
      {(verb === "ADD_SITES" || verb === "MIGRATE") && <FoundSites said={said.sites} onSaid={(sites) => say({ sites })} />}
      {(verb === "REMOVE_SITES" || verb === "ADJUST_SITE") && (
        <ListedSites sites={sitesOf(deployment)} total={Number(at(deployment, "siteStatuses", "totalCount") ?? 0)} one={verb === "ADJUST_SITE"} said={said.sites} onSaid={(sites) => say({ sites })} />
      )}
      {verb === "ADJUST_SITE" && <Replicas deployment={deployment} said={said.replicas} onSaid={(replicas) => say({ replicas })} />}
    </Confirm>
  );
}

function Version({ deployment, said, onSaid }: { readonly deployment: Row; readonly said: string; readonly onSaid: (version: string) => void }) {
  const f = t.details.status.fields;
  const runs = at(deployment, "appVersion", "id");
  const others = rowsOf(at(deployment, "appVersion", "app", "versions", "nodes")).filter((one) => one.id !== runs);
  return (
    <label className="form-field">
      {f.version}{" "}
      <select value={said} onChange={(event) => onSaid(event.target.value)}>
        <option value="">{f.sameVersion}</option>
        {others.map((one) => (
          <option key={String(one.id)} value={String(one.id)}>
            {String(one.name)}
          </option>
        ))}
      </select>
    </label>
  );
}

interface ReplicasProps {
  readonly deployment: Row;
  readonly said: Said["replicas"];
  readonly onSaid: (replicas: Said["replicas"]) => void;
}

function Replicas({ deployment, said, onSaid }: ReplicasProps) {
  const f = t.details.status.fields;
  return (
    <fieldset className="form-field">
      <legend>{f.replicas}</legend>
      {rowsOf(at(deployment, "status", "components")).map((one) => {
        const component = String(one.component);
        return (
          <label key={component} className="form-line">
            {component}{" "}
            <input type="number" min={0} max={100_000} value={said[component] ?? ""} onChange={(event) => onSaid({ ...said, [component]: event.target.value })} />
          </label>
        );
      })}
      <p className="form-note">{f.asOthers}</p>
    </fieldset>
  );
}
