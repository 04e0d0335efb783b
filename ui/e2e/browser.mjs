// A Chromium that can reach one origin and no other, and that remembers each attempt to do so: what the tests and the
// screenshot script share.
import { chromium } from "playwright-core";

/** Milliseconds that a page may take for anything, on a machine with much else to do. */
export const PATIENCE_MS = 90_000;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Opens a browser for `origin`; `problems` fills with what a page did that it must not. Call `close` at the end. */
export async function openBrowser({ executablePath, origin, width = 1280, height = 800, context: options = {} }) {
  // No request is intercepted: the browser would then keep no file, and each page would be fetched and compiled anew.
  const only = `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${new URL(origin).hostname}`;
  const browser = await chromium.launch({ executablePath, args: [...FLAGS, only] });
  const problems = [];
  const newContext = async (more = {}) => {
    const context = await browser.newContext({ viewport: { width, height }, ...options, ...more });
    context.setDefaultTimeout(PATIENCE_MS);
    context.on("request", (request) => {
      const url = new URL(request.url());
      const own = url.origin === origin || url.protocol === "data:" || url.protocol === "blob:";
      if (!own) problems.push(`request to another origin: ${url.href}`);
    });
    context.on("page", (page) => watch(page, { origin, problems }));
    return context;
  };
  return { browser, newContext, problems, close: () => browser.close() };
}

function watch(page, { origin, problems }) {
  page.on("pageerror", (error) => problems.push(`page error: ${error.message}`));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) problems.push(`policy: ${message.text()}`);
  });
  page.on("websocket", (socket) => {
    const url = new URL(socket.url());
    if (url.host !== new URL(origin).host) problems.push(`socket to another origin: ${url.href}`);
  });
  page.on("response", (response) => {
    if (response.status() === 404) problems.push(`missing: ${response.url()}`);
  });
}

/** Opens the built playground by a sign-in link and waits until its editor is there. */
export async function openPlayground(page, { signIn }) {
  const link = new URL(signIn);
  link.searchParams.set("next", "/playground");
  await page.goto(link.href);
  await page.waitForURL(/\/playground$/);
  await page.locator(".graphiql-query-editor .view-line").first().waitFor();
  await page.locator(".graphiql-execute-button").waitFor();
}

/** Opens an example by its id, runs it, and gives the text of the response pane once it holds `expected`. */
export async function runExample(page, id, expected, { timeout = PATIENCE_MS } = {}) {
  await page.locator(`[data-example="${id}"]`).click();
  return run(page, expected, { timeout });
}

/** Runs the operation of the current tab. */
export async function run(page, expected, { timeout = PATIENCE_MS } = {}) {
  await page.locator(".graphiql-execute-button").click();
  return responseHolding(page, expected, { timeout });
}

/** Waits until the response pane holds `expected` (Monaco draws spaces as no-break spaces); its text. */
export async function responseHolding(page, expected, { timeout = PATIENCE_MS } = {}) {
  const pane = page.locator(".result-window .view-lines");
  const end = Date.now() + timeout;
  for (;;) {
    const text = (await pane.innerText()).replaceAll("\u00a0", " ");
    if (text.includes(expected)) return text;
    if (Date.now() > end) throw new Error(`no ${JSON.stringify(expected)} in the response pane:\n${text}`);
    await page.waitForTimeout(50);
  }
}
