// A picture of the playground of a running server, for the README and docs/playground.md:
//
//   node ui/scripts/screenshot.mjs http://127.0.0.1:8800 'http://127.0.0.1:8800/auth/…one-time link…' [example] [expected]
//
// Opens the example (default: the plan within 8 ms), runs it, waits until the answer holds `expected`, and writes
// docs/images/playground.png, 1280 px wide. CHROMIUM names the browser where it is not /usr/bin/chromium.
import { fileURLToPath } from "node:url";

import { openBrowser, openPlayground, runExample } from "../e2e/browser.mjs";

const [origin, signIn, example = "210-plan", expected = '"data"'] = process.argv.slice(2);
if (!origin || !signIn) {
  console.error("usage: node ui/scripts/screenshot.mjs ORIGIN SIGN_IN_LINK [EXAMPLE] [EXPECTED]");
  process.exit(2);
}
const target = fileURLToPath(new URL("../../docs/images/playground.png", import.meta.url));
const opened = await openBrowser({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  origin: new URL(origin).origin,
  height: 860,
});
try {
  const page = await (await opened.newContext({ colorScheme: "light" })).newPage();
  await openPlayground(page, { signIn });
  await runExample(page, example, expected);
  await page.mouse.move(640, 20);
  await page.waitForTimeout(500); // Tooltips and the caret's highlight fade.
  await page.screenshot({ path: target });
  console.log(target);
} finally {
  await opened.close();
}
if (opened.problems.length > 0) {
  console.error(opened.problems.join("\n"));
  process.exitCode = 1;
}
