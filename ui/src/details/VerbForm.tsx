// A verb that asks back before it does anything: which sites, which version, how many, what values, which revision. What is
// said is kept while the dialog is open and closed; the button that does it is there once enough was said.

import { useId, useState } from "react";

import { at, instant, type Row } from "../lists/values";
import { t } from "../messages";
import { Confirm } from "../parts/Confirm";
import { rowsOf } from "./rows";
import { FoundSites, ListedSites } from "./SitesField";
import { earlierOf, type FormVerb, inputOf, NOTHING_SAID, type Said, sitesOf, valuesOf } from "./verbs";

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
  const input = inputOf(verb, said, deployment);
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
      {verb === "ROLL_BACK" && <Revision deployment={deployment} said={said.revision} onSaid={(revision) => say({ revision })} />}
      {(verb === "MIGRATE" || verb === "UPDATE") && <Version deployment={deployment} said={said.version} onSaid={(version) => say({ version })} />}
      {(verb === "ADD_SITES" || verb === "MIGRATE") && <FoundSites said={said.sites} onSaid={(sites) => say({ sites })} />}
      {(verb === "REMOVE_SITES" || verb === "ADJUST_SITE") && (
        <ListedSites sites={sitesOf(deployment)} total={Number(at(deployment, "siteStatuses", "totalCount") ?? 0)} one={verb === "ADJUST_SITE"} said={said.sites} onSaid={(sites) => say({ sites })} />
      )}
      {(verb === "ADJUST_SITE" || verb === "SCALE") && (
        <Replicas deployment={deployment} one={verb === "ADJUST_SITE"} said={said.replicas} onSaid={(replicas) => say({ replicas })} />
      )}
      {verb === "UPDATE" && <Values deployment={deployment} said={said.values} onSaid={(values) => say({ values })} />}
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

interface RevisionProps {
  readonly deployment: Row;
  readonly said: string;
  readonly onSaid: (revision: string) => void;
}

function Revision({ deployment, said, onSaid }: RevisionProps) {
  const f = t.details.status.fields;
  const group = useId();
  const listed = earlierOf(deployment);
  const more = Number(at(deployment, "revisions", "totalCount") ?? 0) > rowsOf(at(deployment, "revisions", "nodes")).length;
  return (
    <fieldset className="form-field form-sites">
      <legend>{f.revision}</legend>
      {listed.map((one) => {
        const number = String(one.number);
        return (
          <label key={number} className="form-line">
            <input type="radio" name={group} checked={said === number} onChange={() => onSaid(number)} />{" "}
            {f.earlier(number, String(at(one, "appVersion", "name") ?? ""), f.outcomes[String(one.outcome)] ?? "", instant(one.createdAt).text)}
          </label>
        );
      })}
      {more && (
        <label className="form-line">
          {f.number} <input type="number" min={1} value={said} onChange={(event) => onSaid(event.target.value)} />
        </label>
      )}
    </fieldset>
  );
}

interface ValuesProps {
  readonly deployment: Row;
  readonly said: Said["values"];
  readonly onSaid: (values: Said["values"]) => void;
}

function Values({ deployment, said, onSaid }: ValuesProps) {
  const f = t.details.status.fields;
  return (
    <fieldset className="form-field">
      <legend>{f.values}</legend>
      {rowsOf(at(deployment, "status", "components")).map((one) => {
        const component = String(one.component);
        const text = said[component] ?? valuesOf(deployment, component);
        return (
          <label key={component} className="form-line">
            {component} <textarea rows={4} cols={40} spellCheck={false} value={text} onChange={(event) => onSaid({ ...said, [component]: event.target.value })} />
          </label>
        );
      })}
      <p className="form-note">{f.someValues}</p>
    </fieldset>
  );
}

interface ReplicasProps {
  readonly deployment: Row;
  /** Whether they are of one site, which can be as the others again. */
  readonly one: boolean;
  readonly said: Said["replicas"];
  readonly onSaid: (replicas: Said["replicas"]) => void;
}

function Replicas({ deployment, one: single, said, onSaid }: ReplicasProps) {
  const f = t.details.status.fields;
  return (
    <fieldset className="form-field">
      <legend>{single ? f.replicas : f.replicasEach}</legend>
      {rowsOf(at(deployment, "status", "components")).map((one) => {
        const component = String(one.component);
        return (
          <label key={component} className="form-line">
            {component}{" "}
            <input type="number" min={0} max={100_000} value={said[component] ?? ""} onChange={(event) => onSaid({ ...said, [component]: event.target.value })} />
          </label>
        );
      })}
      <p className="form-note">{single ? f.asOthers : f.asBefore}</p>
    </fieldset>
  );
}
