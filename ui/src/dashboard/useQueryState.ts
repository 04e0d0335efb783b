// A piece of state that lives in the address.

import { useCallback } from "react";
import { useLocation, useSearch } from "wouter";

import { withQuery } from "./routes";

/** The value of a name in the query, and how to change it; `replace` keeps the change out of the history. */
export function useQueryState(name: string): [string, (value: string | null, options?: { replace?: boolean }) => void] {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const value = new URLSearchParams(search).get(name) ?? "";
  const set = useCallback(
    (next: string | null, options: { replace?: boolean } = {}) => {
      // The search is read when it is set: two changes in one event must not undo each other.
      navigate(withQuery(path, location.search, { [name]: next }), { replace: options.replace ?? true });
    },
    [navigate, path, name],
  );
  return [value, set];
}
