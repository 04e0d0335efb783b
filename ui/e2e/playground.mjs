// The playground as a person uses it, against a running server. Arguments, as JSON: `browser` (path), `origin`,
// `signIn` (a link that opens a session and leads to the playground), `viewer` (a text of the header), `query` and
// `expected`, `subscription` and `event` (texts that the response pane must come to hold), `completion` (what is typed
// in a selection, and the field that must be offered), `examples` (ids with the text that each must come to show, in
// order), `failure` (path of a picture of the page when it fails).
// Ends with 0 and one line a step, or with 1 and the reason.
import { isDeepStrictEqual } from "node:util";

import { openBrowser, openPlayground, run, runExample } from "./browser.mjs";

const given = JSON.parse(process.argv[2]);
const { origin } = given;
const opened = await openBrowser({ executablePath: given.browser, origin });
let page;

async function step(name, body) {
  await body();
  console.log(`ok: ${name}`);
}

function check(holds, words) {
  if (!holds) throw new Error(words);
}

/** Replaces the text of the operation editor, as typing does. */
async function write(text) {
  await page.locator(".graphiql-query-editor .view-lines").click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(text);
}

async function newTab(text) {
  await page.locator(".graphiql-tab-add").click();
  await write(text);
}

try {
  page = await (await opened.newContext()).newPage();

  await step("a caller without a session is sent to sign in, and back to the playground after it", async () => {
    await page.goto(`${origin}/playground`);
    await page.waitForURL((url) => url.pathname === "/auth/login");
    check(new URL(page.url()).searchParams.get("next") === "/playground", page.url());
  });

  await step("the sign-in link leads to the editor, which names the viewer", async () => {
    await openPlayground(page, given);
    const words = await page.locator('[data-testid="viewer"]').innerText();
    check(words.includes(given.viewer), words);
  });

  await step("the list of examples is open", async () => {
    check((await page.locator("[data-example]").count()) > 0, "no example in the list");
  });

  await step("opening an example adds a tab and keeps what was written", async () => {
    await write("{ mine }");
    const tabs = await page.locator(".graphiql-tab").count();
    await page.locator("[data-example]").last().click();
    await page.waitForFunction((count) => document.querySelectorAll(".graphiql-tab").length === count + 1, tabs);
  });

  await step("a query runs and shows its result", async () => {
    await newTab(given.query);
    await run(page, given.expected);
  });

  for (const [id, expected] of given.examples) {
    await step(`the example ${id} runs as it stands`, async () => {
      await runExample(page, id, expected);
    });
  }

  await step("the schema's names are offered while typing (the workers run)", async () => {
    await newTab("");
    await page.locator(".graphiql-query-editor .view-lines").click();
    await page.keyboard.type(`{ ${given.completion.typed}`);
    await page.keyboard.press("Control+Space");
    await page.locator(".suggest-widget .monaco-list-row", { hasText: given.completion.field }).first().waitFor();
    await page.keyboard.press("Escape");
  });

  await step("a subscription shows its events and can be stopped", async () => {
    await newTab(given.subscription);
    await run(page, given.event);
    await page.locator('.graphiql-execute-button[aria-label^="Stop"]').click();
    await page.locator('.graphiql-execute-button[aria-label^="Execute"]').waitFor();
  });

  await step("a request that is no GraphQL answers with a message, not with silence", async () => {
    await newTab("{ thereIsNoSuchField }");
    await run(page, "thereIsNoSuchField");
  });

  await step("the plain playground runs the same query", async () => {
    await page.goto(`${origin}/playground/plain`);
    await page.locator("#query").fill(given.query);
    await page.getByRole("button", { name: "Run" }).click();
    await page.locator("#result", { hasText: given.expected }).waitFor();
  });

  await step("without JavaScript the plain form asks queries", async () => {
    const state = await page.context().storageState();
    const bare = await (await opened.newContext({ javaScriptEnabled: false, storageState: state })).newPage();
    await bare.goto(`${origin}/playground`);
    await bare.getByRole("link", { name: "The plain playground" }).click();
    await bare.locator("#query").fill(given.query);
    await bare.getByRole("button", { name: "Run" }).click();
    await bare.waitForURL(/\/graphql\?/);
    const answer = await bare.locator("body").innerText();
    check(JSON.stringify(JSON.parse(answer), null, 2).includes(given.expected), answer);
  });

  await step("signing out ends the session and forgets what was typed", async () => {
    await page.goto(`${origin}/playground`);
    await page.locator(".graphiql-tab", { hasText: "untitled" }).first().waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL((url) => url.pathname === "/auth/login");
    const kept = await page.evaluate(() => Object.keys(localStorage).filter((key) => /graphiql|edgeatlas/.test(key)));
    check(isDeepStrictEqual(kept, []), `kept: ${kept}`);
  });

  await step("no page asked anything of another origin, broke the policy or threw", async () => {
    check(opened.problems.length === 0, opened.problems.join("\n"));
  });
} catch (error) {
  console.log(`FAILED: ${error.stack}`);
  for (const problem of opened.problems) console.log(problem);
  if (given.failure && page) {
    await page.screenshot({ path: given.failure }).catch(() => {});
    console.log(`picture: ${given.failure}`);
  }
  process.exitCode = 1;
} finally {
  await opened.close();
}
