// The client of ordinary queries and mutations. No cache: what changes is shown live from the topology's feed or asked
// again, and a normalised cache of thousands of entities costs more than it saves.

import { type AnyVariables, Client, fetchExchange, type TypedDocumentNode } from "@urql/core";

import { CSRF_HEADER, CSRF_VALUE, SignedOut } from "./session";
import { GRAPHQL_PATH } from "./graphql";

const FETCH_OPTIONS: RequestInit = {
  credentials: "same-origin",
  headers: { [CSRF_HEADER]: CSRF_VALUE, Accept: "application/graphql-response+json, application/json;q=0.9" },
};

export const client = new Client({
  url: GRAPHQL_PATH,
  exchanges: [fetchExchange],
  requestPolicy: "network-only",
  preferGetMethod: false,
  fetchOptions: FETCH_OPTIONS,
});

/** Asks once, outside of a component. Throws `SignedOut`, or an `Error` with the server's words. */
export async function ask<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  signal?: AbortSignal,
): Promise<Data> {
  const result = await client.query(document, variables, signal ? { fetchOptions: { ...FETCH_OPTIONS, signal } } : {}).toPromise();
  if (result.error) {
    if (isSignedOut(result.error)) throw new SignedOut();
    throw new Error(result.error.graphQLErrors[0]?.message ?? result.error.message, { cause: result.error });
  }
  return result.data as Data;
}

/** Whether an answer says that there is no session any more. */
export function isSignedOut(error: { readonly response?: unknown } | undefined): boolean {
  const response = error?.response;
  return typeof response === "object" && response !== null && "status" in response && response.status === 401;
}
