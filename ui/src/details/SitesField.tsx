// Choosing sites in a form: those where a deployment is, as a list; any others by a part of their name.

import { useId, useState } from "react";
import { Button } from "react-aria-components";

import { at, type Row } from "../lists/values";
import { count, t } from "../messages";
import { rowsOf } from "./rows";
import { useAsked } from "./useAsked";

const PAGE = 20;

export const SITES = `query Sites($part: String!, $first: Int!) {
  sites(first: $first, orderBy: [{ field: NAME }], filter: { and: [
    { role: { eq: COMPUTE } }
    { or: [{ name: { contains: $part } }, { displayName: { contains: $part } }] }
  ] }) { totalCount nodes { id name displayName } }
}`;

function called(site: Row): string {
  return String(site.displayName ?? site.name);
}

interface ListedProps {
  readonly sites: readonly Row[];
  readonly total: number;
  /** Whether one is chosen, and not any number. */
  readonly one: boolean;
  readonly said: readonly string[];
  readonly onSaid: (ids: readonly string[]) => void;
}

export function ListedSites({ sites, total, one, said, onSaid }: ListedProps) {
  const f = t.details.status.fields;
  const group = useId();
  return (
    <fieldset className="form-field form-sites">
      <legend>{one ? f.site : f.sites}</legend>
      {sites.map((site) => {
        const id = String(site.id);
        const chosen = said.includes(id);
        const onChange = () => onSaid(one ? [id] : chosen ? said.filter((each) => each !== id) : [...said, id]);
        return (
          <label key={id} className="form-line">
            <input type={one ? "radio" : "checkbox"} name={group} checked={chosen} onChange={onChange} /> {called(site)}
          </label>
        );
      })}
      {total > sites.length && <p className="form-note">{f.someSites(count(sites.length), count(total))}</p>}
    </fieldset>
  );
}

interface FoundProps {
  readonly said: readonly string[];
  readonly onSaid: (ids: readonly string[]) => void;
}

export function FoundSites({ said, onSaid }: FoundProps) {
  const f = t.details.status.fields;
  const [part, setPart] = useState("");
  const [names, setNames] = useState<Readonly<Record<string, string>>>({});
  const asked = useAsked(part === "" ? null : SITES, { part, first: PAGE }, 0);
  const found = rowsOf(at(asked.data, "sites", "nodes")).filter((site) => !said.includes(String(site.id)));
  const total = Number(at(asked.data, "sites", "totalCount") ?? 0);
  const take = (site: Row) => {
    const id = String(site.id);
    setNames((before) => ({ ...before, [id]: called(site) }));
    onSaid([...said, id]);
  };
  return (
    <fieldset className="form-field form-sites">
      <legend>{f.sites}</legend>
      {said.map((id) => (
        <label key={id} className="form-line">
          <input type="checkbox" checked onChange={() => onSaid(said.filter((each) => each !== id))} /> {names[id] ?? id}
        </label>
      ))}
      <label className="form-line">
        {f.find} <input type="search" value={part} onChange={(event) => setPart(event.target.value)} />
      </label>
      {asked.problem !== null && <p role="alert">{asked.problem}</p>}
      {part !== "" && asked.data !== null && found.length === 0 && <p className="form-note">{f.noSite}</p>}
      {found.map((site) => (
        <p key={String(site.id)} className="form-line">
          <Button onPress={() => take(site)}>{f.take(called(site))}</Button>
        </p>
      ))}
      {total > PAGE && <p className="form-note">{f.someSites(count(PAGE), count(total))}</p>}
    </fieldset>
  );
}
