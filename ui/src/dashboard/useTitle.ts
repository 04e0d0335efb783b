// The title of the page, by which tabs, the history and screen readers tell one page from another (WCAG 2.4.2).

import { type ReactNode, useEffect } from "react";

import { t } from "../messages";

/** `Sites · EdgeAtlas`; nothing given, the product alone. */
export function titleOf(...words: readonly string[]): string {
  return [...words.filter((word) => word !== ""), t.shell.product].join(" · ");
}

export function useTitle(...words: readonly string[]): void {
  const title = titleOf(...words);
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** A page whose title is known before it is loaded. */
export function Titled({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  useTitle(title);
  return children;
}
