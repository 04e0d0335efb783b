import { afterEach, describe, expect, test, vi } from "vitest";

import { chooseOperation, execute, inWords, socketUrl, subscribe } from "./graphql";
import { SignedOut } from "./session";

afterEach(() => {
  vi.unstubAllGlobals();
});

function answering(body: string, init: ResponseInit): { calls: [string, RequestInit][] } {
  const calls: [string, RequestInit][] = [];
  vi.stubGlobal("fetch", async (url: string, request: RequestInit) => {
    calls.push([url, request]);
    return new Response(body, init);
  });
  return { calls };
}

describe("execute", () => {
  test("posts to this origin with the session and the header that proves it", async () => {
    const { calls } = answering('{"data": {"a": 1}}', { status: 200 });
    await expect(execute({ query: "{ a }", variables: { b: 2 } })).resolves.toEqual({ data: { a: 1 } });
    const [url, request] = calls[0] ?? [];
    expect(url).toBe("/graphql");
    expect(request).toMatchObject({ method: "POST", credentials: "same-origin" });
    expect(request?.headers).toMatchObject({ "X-EdgeAtlas-CSRF": "1", "Content-Type": "application/json" });
    expect(JSON.parse(String(request?.body))).toEqual({ query: "{ a }", variables: { b: 2 } });
  });

  test("a header of the user's cannot take the place of ours", async () => {
    const { calls } = answering("{}", { status: 200 });
    await execute({ query: "{ a }" }, { "X-EdgeAtlas-CSRF": "0", Authorization: "Bearer t" });
    expect(calls[0]?.[1].headers).toMatchObject({ "X-EdgeAtlas-CSRF": "1", Authorization: "Bearer t" });
  });

  test("errors within an answer are data, whatever its status", async () => {
    answering('{"errors": [{"message": "no"}]}', { status: 400 });
    await expect(execute({ query: "{ x }" })).resolves.toEqual({ errors: [{ message: "no" }] });
  });

  test("401 is a session that has ended", async () => {
    answering("", { status: 401 });
    await expect(execute({ query: "{ a }" })).rejects.toBeInstanceOf(SignedOut);
  });

  test("an answer without JSON is told with its status and beginning", async () => {
    answering("<h1>Bad gateway</h1>", { status: 502 });
    await expect(execute({ query: "{ a }" })).rejects.toThrow("502 without JSON: <h1>Bad gateway</h1>");
  });

  test("a server that is away is told as that", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("Failed to fetch");
    });
    await expect(execute({ query: "{ a }" })).rejects.toThrow("cannot be reached");
  });
});

test.each([
  ["subscription { a }", undefined, undefined, true],
  ["query Q { a } subscription S { a }", "S", "S", true],
  ["query Q { a } subscription S { a }", "Q", "Q", false],
  ["query Q { a }", "OfTheTabBefore", undefined, false],
  ["subscription S { a }", "OfTheTabBefore", undefined, true],
  ["query Q { a } query R { a }", undefined, undefined, false],
  ["{ a }", undefined, undefined, false],
  ["{ broken", "Q", "Q", false],
])("of %s with the name %s the operation is %s, a subscription: %s", (query, given, operationName, subscription) => {
  expect(chooseOperation(query, given)).toEqual({ operationName, subscription });
});

test.each([
  ["http://localhost:8420", "ws://localhost:8420/graphql"],
  ["https://edge.example", "wss://edge.example/graphql"],
])("the socket of %s is %s", (origin, url) => {
  expect(socketUrl(origin)).toBe(url);
});

describe("what ended a subscription", () => {
  test("is told with the close code and its reason", () => {
    expect(inWords({ code: 1013, reason: "slow reader" })).toEqual(
      new Error("The connection closed with code 1013 (slow reader). Run the subscription again to go on."),
    );
  });
  test("is a session that has ended, by its code", () => {
    expect(inWords({ code: 4401, reason: "" })).toBeInstanceOf(SignedOut);
  });
  test("is passed on when it is the server's own errors", () => {
    const errors = [{ message: "no" }];
    expect(inWords(errors)).toBe(errors);
  });
});

test("stopping a subscription that waits for its next event reaches the client at once", async () => {
  let returned = false;
  const waiting = new Promise<never>(() => {});
  const client = {
    iterate: () => ({
      next: () => waiting,
      return: async () => {
        returned = true;
        return { done: true as const, value: undefined };
      },
    }),
  } as unknown as Parameters<typeof subscribe>[0];
  const events = subscribe(client, { query: "subscription { a }" });
  void events.next();
  await events.return?.();
  expect(returned).toBe(true);
});
