// The page's one way to the API: queries and mutations by POST, subscriptions by graphql-transport-ws, both at /graphql
// of the page's own origin. Our own, not GraphiQL's: its fetcher shows a lost server as a JSON syntax error and a
// closed socket as "[object CloseEvent]", and neither tells a person what to do.

import { type DocumentNode, getOperationAST, parse } from "graphql";
import { type Client, createClient } from "graphql-ws";

import { CSRF_HEADER, CSRF_VALUE, SignedOut } from "./session";

export const GRAPHQL_PATH = "/graphql";

/** Close codes of graphql-transport-ws: no session any more, and a caller who may not. Trying again is of no use. */
export const UNAUTHORIZED = 4401;
export const FORBIDDEN = 4403;

export interface Operation {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: unknown;
}

/** A GraphQL response; `errors` and `extensions` as the server sent them. */
export interface GraphQLResponse {
  readonly data?: unknown;
  readonly errors?: readonly { readonly message: string }[];
}

/**
 * Runs a query or a mutation. Throws `SignedOut` on 401 and an `Error` in plain words when there is no GraphQL answer;
 * errors within an answer are returned, as data.
 */
export async function execute(operation: Operation, headers: Record<string, string> = {}): Promise<GraphQLResponse> {
  let reply: Response;
  try {
    reply = await fetch(GRAPHQL_PATH, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        ...headers,
        Accept: "application/graphql-response+json, application/json;q=0.9",
        "Content-Type": "application/json",
        [CSRF_HEADER]: CSRF_VALUE,
      },
      body: JSON.stringify({
        query: operation.query,
        ...(operation.operationName ? { operationName: operation.operationName } : {}),
        ...(operation.variables ? { variables: operation.variables } : {}),
      }),
    });
  } catch (cause) {
    throw new Error("The server cannot be reached. Check that it is running, then try again.", { cause });
  }
  if (reply.status === 401) throw new SignedOut();
  const text = await reply.text();
  try {
    return JSON.parse(text) as GraphQLResponse;
  } catch (cause) {
    const excerpt = text.trim().slice(0, 200);
    throw new Error(`The server answered ${reply.status} without JSON${excerpt ? `: ${excerpt}` : "."}`, { cause });
  }
}

/** What a document's text asks for: the operation to name to the server, and whether it is a subscription. */
export interface Chosen {
  readonly operationName: string | undefined;
  readonly subscription: boolean;
}

/**
 * Chooses the operation from the text that is sent. The editor's own name and syntax tree lag behind it for a moment
 * after a tab is opened: a name that the text does not have is left out, and the server says what else is wrong.
 */
export function chooseOperation(query: string, operationName?: string | null): Chosen {
  let document: DocumentNode;
  try {
    document = parse(query, { noLocation: true });
  } catch {
    return { operationName: operationName ?? undefined, subscription: false };
  }
  const named = operationName ? getOperationAST(document, operationName) : null;
  const operation = named ?? getOperationAST(document);
  return {
    operationName: named?.name?.value,
    subscription: operation?.operation === "subscription",
  };
}

/** The socket's address: the page's origin with `ws` for `http`. */
export function socketUrl(origin: string): string {
  return new URL(GRAPHQL_PATH, origin).href.replace(/^http/, "ws");
}

/** A lazy client: the socket opens with the first subscription and closes after the last. */
export function createSocket(origin: string, { retryAttempts = 5 } = {}): Client {
  return createClient({
    url: socketUrl(origin),
    lazy: true,
    retryAttempts,
    shouldRetry: (event) => !(isClose(event) && (event.code === UNAUTHORIZED || event.code === FORBIDDEN)),
  });
}

/**
 * The results of a subscription. `return` passes at once to the client: an async generator would wait for the event
 * that is awaited, and a stopped subscription on a quiet graph would stay open for ever.
 */
export function subscribe(client: Client, operation: Operation): AsyncIterableIterator<GraphQLResponse> {
  const source = client.iterate<Record<string, unknown>>({
    query: operation.query,
    ...(operation.operationName ? { operationName: operation.operationName } : {}),
    ...(operation.variables ? { variables: operation.variables as Record<string, unknown> } : {}),
  });
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () =>
      source.next().catch((reason: unknown): never => {
        throw inWords(reason);
      }) as Promise<IteratorResult<GraphQLResponse>>,
    return: async () => {
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
}

/** What ended a subscription, as an error that a person can read; GraphQL errors pass unchanged. */
export function inWords(reason: unknown): unknown {
  if (!isClose(reason)) return reason;
  if (reason.code === UNAUTHORIZED) return new SignedOut();
  const why = reason.reason ? ` (${reason.reason})` : "";
  return new Error(`The connection closed with code ${reason.code}${why}. Run the subscription again to go on.`);
}

/** Whether a socket's close is what ended a subscription. */
export function isClose(value: unknown): value is { readonly code: number; readonly reason: string } {
  return typeof value === "object" && value !== null && "code" in value && "reason" in value;
}
