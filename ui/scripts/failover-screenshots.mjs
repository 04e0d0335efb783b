// Pictures for the walk in docs/lifecycle.md, of a running server with the demonstration, docs/examples/four-ways.yaml applied
// and Vienna cut off for half a minute:
//
//   node ui/scripts/failover-screenshots.mjs http://127.0.0.1:8800 'http://127.0.0.1:8800/auth/…one-time link…'
//
// Writes docs/images/failover-*.png, 1440 px wide. CHROMIUM names the browser where it is not /usr/bin/chromium.
import { fileURLToPath } from "node:url";

import { openBrowser } from "../e2e/browser.mjs";

const [origin, signIn] = process.argv.slice(2);
if (!origin || !signIn) {
  console.error("usage: node ui/scripts/failover-screenshots.mjs ORIGIN SIGN_IN_LINK");
  process.exit(2);
}
const opened = await openBrowser({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  origin: new URL(origin).origin,
  width: 1440,
  height: 620,
});

async function picture(page, name) {
  const target = fileURLToPath(new URL(`../../docs/images/failover-${name}.png`, import.meta.url));
  await page.mouse.move(1_435, 615);
  await page.waitForTimeout(300);
  await page.screenshot({ path: target });
  console.log(target);
}

try {
  const page = await (await opened.newContext({ colorScheme: "light" })).newPage();
  await page.goto(signIn);
  await page.waitForURL(/\/topology/);
  await page.goto(`${origin}/list/deployments`);
  await page.getByText("Awaiting old").first().waitFor();
  await picture(page, "list");
  await page.locator(".list-body").getByRole("link", { name: "once", exact: true }).click();
  await page.getByRole("button", { name: /Nothing runs at Vienna/ }).waitFor();
  await page.getByRole("button", { name: /Nothing runs at Vienna/ }).scrollIntoViewIfNeeded();
  await picture(page, "once");
} finally {
  await opened.close();
}
if (opened.problems.length > 0) {
  console.error(opened.problems.join("\n"));
  process.exitCode = 1;
}
