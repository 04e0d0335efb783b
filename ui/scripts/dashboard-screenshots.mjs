// Pictures of the dashboard of a running server with the demonstration, for the README and docs/dashboard.md:
//
//   node ui/scripts/dashboard-screenshots.mjs http://127.0.0.1:8800 'http://127.0.0.1:8800/auth/…one-time link…'
//
// Writes docs/images/dashboard-*.png, 1440 px wide. CHROMIUM names the browser where it is not /usr/bin/chromium.
import { fileURLToPath } from "node:url";

import { openBrowser } from "../e2e/browser.mjs";

const [origin, signIn] = process.argv.slice(2);
if (!origin || !signIn) {
  console.error("usage: node ui/scripts/dashboard-screenshots.mjs ORIGIN SIGN_IN_LINK");
  process.exit(2);
}
const target = (name) => fileURLToPath(new URL(`../../docs/images/dashboard-${name}.png`, import.meta.url));
const opened = await openBrowser({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  origin: new URL(origin).origin,
  width: 1440,
  height: 900,
});

/** Waits until the picture has been drawn of a revision, and for its flashes to end. */
async function drawn(page) {
  await page.locator("canvas[data-revision]").waitFor();
  await page.waitForTimeout(1_500);
}

async function picture(page, name) {
  await page.mouse.move(1_435, 895);
  await page.waitForTimeout(300);
  await page.screenshot({ path: target(name) });
  console.log(target(name));
}

try {
  const context = await opened.newContext({ colorScheme: "light" });
  const page = await context.newPage();
  await page.goto(signIn);
  await page.waitForURL(/\/topology/);
  await drawn(page);
  await picture(page, "topology");

  const site = page.locator("input[type=search]");
  await site.fill("site:vienna");
  await page.getByRole("treeitem", { name: /^Vienna/ }).first().dblclick();
  await drawn(page);
  await picture(page, "site");

  await page.goto(`${origin}/list/deployments`);
  await page.locator(".list-body a").first().click();
  await page.getByRole("rowheader").first().waitFor();
  await picture(page, "why");

  await page.goto(`${origin}/map`);
  await drawn(page);
  await picture(page, "map");

  const dark = await (await opened.newContext({ colorScheme: "dark", storageState: await context.storageState() })).newPage();
  await dark.goto(`${origin}/topology?find=region:germany`);
  await drawn(dark);
  await dark.getByRole("treeitem", { name: /^Germany/ }).first().click();
  await dark.waitForTimeout(500);
  await picture(dark, "dark");
} finally {
  await opened.close();
}
if (opened.problems.length > 0) {
  console.error(opened.problems.join("\n"));
  process.exitCode = 1;
}
