// A site by its name, as the way to its page.

import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { isRow } from "../lists/values";
import { t } from "../messages";

export function Site({ value }: { readonly value: unknown }) {
  if (!isRow(value) || typeof value.id !== "string") return <>{t.details.why.somewhere}</>;
  return <Link href={entityPath(value.id)}>{String(value.displayName ?? value.name ?? value.id)}</Link>;
}

/** Several, in a line; `none` says that there are none. */
export function Sites({ values, none }: { readonly values: readonly unknown[]; readonly none: string }) {
  if (values.length === 0) return <span className="cell-none">{none}</span>;
  return values.map((value, index) => (
    <span key={index}>
      {index > 0 && ", "}
      <Site value={value} />
    </span>
  ));
}
