import type { ReactNode } from "react";

/** Text in which `backticks` set code. */
export function withCode(text: string): ReactNode[] {
  return text.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}
