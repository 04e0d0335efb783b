// What the chapters of the dashboard's end-to-end tests share: a browser that is signed in, steps that are told one by one,
// the API as the same viewer, and waiting for what must come to hold. A chapter is told in the order in which a person
// would do it; a step that fails ends it with a picture of the page.
import { createInterface } from "node:readline";

import { openBrowser, PATIENCE_MS } from "./browser.mjs";

export class Story {
  constructor(given) {
    this.given = given;
    this.origin = given.origin;
  }

  /** Opens the browser; `context` are options of its contexts. */
  async begin(context = {}) {
    this.opened = await openBrowser({ executablePath: this.given.browser, origin: this.origin, context });
    this.context = await this.opened.newContext();
    this.page = await this.context.newPage();
  }

  async end() {
    await this.opened?.close();
  }

  /** One step: told when it has come to a good end. */
  async step(name, body) {
    const begun = performance.now();
    await body();
    console.log(`ok: ${name} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  }

  /** Follows the sign-in link to the topology. */
  async signIn(page = this.page) {
    await page.goto(this.given.signIn);
    await this.live(page);
  }

  /** Waits until the page is live and its picture, where it has one, is drawn. */
  async live(page = this.page) {
    await page.locator('.feed[data-status="live"]').waitFor({ timeout: PATIENCE_MS });
    const canvas = page.locator(".topology-canvas");
    if ((await canvas.count()) > 0) await page.locator(".topology-canvas[data-revision]").waitFor();
  }

  async goTo(path, page = this.page) {
    await page.goto(this.origin + path);
    await this.live(page);
  }

  /** The data of a GraphQL request of the same viewer. */
  async ask(query, variables = {}) {
    const reply = await this.context.request.post(`${this.origin}/graphql`, {
      headers: { "X-EdgeAtlas-CSRF": "1" },
      data: { query, variables },
    });
    const answer = await reply.json();
    if (answer.errors) throw new Error(JSON.stringify(answer.errors));
    for (const [field, value] of Object.entries(answer.data)) {
      if (value && typeof value === "object" && "remedy" in value) throw new Error(`${field}: ${JSON.stringify(value)}`);
    }
    return answer.data;
  }

  /** Has the one who runs this do something (`kill`, `start`), and waits until it is done. */
  async please(word) {
    this.lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    console.log(`please: ${word}`);
    const { value } = await this.lines.next();
    check(value === "done", `asked for ${word}, was told ${value}`);
  }

  /** What pages did that they must not. */
  problems() {
    return this.opened.problems;
  }
}

/** Marks the document, to know later whether it is still the same one. */
export async function mark(page) {
  await page.evaluate(() => {
    window.isTheSame = true;
  });
}

export async function isMarked(page) {
  return page.evaluate(() => window.isTheSame === true);
}

export function check(holds, words) {
  if (!holds) throw new Error(words);
}

export function same(found, expected, words) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  check(left === right, `${words}: found ${left}, expected ${right}`);
}

/** Asks until `found` says yes; what it last gave is in the message when it does not come. */
export async function eventually(find, found, words, { timeout = PATIENCE_MS } = {}) {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await find();
    if (found(value)) return value;
    if (Date.now() > end) throw new Error(`${words}; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The query of the page's address. */
export function query(page, name) {
  return new URL(page.url()).searchParams.get(name) ?? "";
}
