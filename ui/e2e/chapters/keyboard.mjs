// Everything without a pointer. Where the focus is, is read from the page; only keys are pressed.
import { PATIENCE_MS } from "../browser.mjs";
import { allIsWell } from "../demo.mjs";
import { check, eventually, query, same } from "../story.mjs";
import { camera } from "../topology-page.mjs";

const MOST_STOPS = 80;

export async function tell(story) {
  const { page } = story;
  const { keyboard } = page;
  await story.signIn();
  await allIsWell(story);

  await story.step("every stop of Tab is seen to have the focus, and Tab comes to an end", async () => {
    await story.goTo("/topology");
    const stops = [];
    for (;;) {
      await keyboard.press("Tab");
      const stop = await focused(page);
      if (stop.tag === "BODY") break;
      check(stop.outline, `no outline: ${JSON.stringify(stop)}`);
      check(stop.name !== "", `no name: ${JSON.stringify(stop)}`);
      stops.push(stop);
      check(stops.length < MOST_STOPS, `Tab does not end: ${stops.slice(-5).map(({ name }) => name)}`);
    }
    same(stops[0].name, "Skip to the content", "the first stop");
    const roles = new Set(stops.map(({ role }) => role));
    check(["treeitem", "application"].every((role) => roles.has(role)), [...roles].join(", "));
    same(stops.filter(({ role }) => role === "treeitem").length, 1, "stops in the tree");
  });

  await story.step("the skip link leads to the content, past the bar", async () => {
    await story.goTo("/topology");
    await keyboard.press("Tab");
    await keyboard.press("Enter");
    same(await page.evaluate(() => document.activeElement?.id), "content", "the focus");
    await keyboard.press("Tab");
    check(await page.evaluate(() => document.activeElement?.closest("main") !== null), "the focus is not in the content");
  });

  await story.step("the pages are reached from the bar", async () => {
    await tabTo(({ tag, name }) => tag === "A" && name === "Map", { from: "/topology" });
    await keyboard.press("Enter");
    await page.waitForURL((url) => url.pathname === "/map");
    same(await page.locator('nav a[aria-current="page"]').first().innerText(), "Map", "the current page");
  });

  await story.step("a slash leads to the find box, and Escape empties it", async () => {
    await story.goTo("/topology");
    await keyboard.press("/");
    await keyboard.type("oslo");
    await page.waitForURL((url) => url.searchParams.get("find") === "oslo");
    await keyboard.press("Escape");
    await page.waitForURL((url) => !url.searchParams.has("find"));
    same(await page.locator('.find input[type="search"]').inputValue(), "", "the words");
  });

  await story.step("the tree is walked with arrows, Home, End and letters", async () => {
    await tabTo(({ role }) => role === "treeitem", { from: "/topology" });
    const item = async () => page.evaluate(() => document.activeElement?.querySelector(".tree-name")?.textContent);
    const press = async (key, holds, words) => {
      await keyboard.press(key);
      return eventually(item, holds, `${key}: ${words}`);
    };
    const first = await press("Home", (name) => name === "Europe", "the outermost region");
    const second = await press("ArrowDown", (name) => name && name !== first, "the next one");
    await press("ArrowUp", (name) => name === first, "back");
    const last = await press("End", (name) => name && name !== first && name !== second, "the last one");
    await press("g", (name) => name?.startsWith("G"), "a name that begins so, from the beginning on");
    check(last !== first, `${first} ${last}`);
    await press("Home", (name) => name === first, "the first one");
    const expanded = () => page.evaluate(() => document.activeElement?.getAttribute("aria-expanded"));
    await keyboard.press("ArrowLeft");
    await eventually(expanded, (is) => is === "false", "the region is closed");
    same(await page.locator('[role="treeitem"]').count(), 1, "items of a closed tree");
    await keyboard.press("ArrowRight");
    await eventually(expanded, (is) => is === "true", "the region is open");
    await press("ArrowRight", (name) => name === second, "into it");
    await press("ArrowLeft", (name) => name === first, "out of it");
  });

  await story.step("Space selects in the tree, Enter shows it in the picture as well", async () => {
    await tabTo(({ role }) => role === "treeitem", { from: "/topology" });
    await keyboard.press("s");
    await eventually(
      () => page.evaluate(() => document.activeElement?.querySelector(".tree-name")?.textContent ?? ""),
      (name) => name.startsWith("S"),
      "a name with S",
    );
    const before = await camera(page);
    await keyboard.press(" ");
    await page.waitForURL((url) => url.searchParams.get("select")?.startsWith("region_"));
    same(await camera(page), before, "where one looks from after Space");
    await keyboard.press("Enter");
    await eventually(() => camera(page), (now) => now.scale > before.scale, "Enter comes nearer");
    same(await page.evaluate(() => document.activeElement?.getAttribute("aria-selected")), "true", "what has the focus");
  });

  await story.step("the picture is moved and zoomed, and lets go of what is selected", async () => {
    await tabTo(({ role }) => role === "application");
    const moves = [
      ["0", () => true],
      ["+", (was, is) => is.scale > was.scale],
      ["+", (was, is) => is.scale > was.scale],
      ["ArrowRight", (was, is) => is.x > was.x && is.y === was.y],
      ["ArrowLeft", (was, is) => is.x < was.x],
      ["ArrowDown", (was, is) => is.y > was.y],
      ["ArrowUp", (was, is) => is.y < was.y],
      ["-", (was, is) => is.scale < was.scale],
      ["0", (was, is) => is.scale < was.scale],
    ];
    for (const [key, holds] of moves) {
      const was = await camera(page);
      await keyboard.press(key);
      await eventually(() => camera(page), (is) => holds(was, is), `${key} from ${JSON.stringify(was)}`);
    }
    await keyboard.press("Escape");
    await page.waitForURL((url) => !url.searchParams.has("select"));
  });

  await story.step("a state of the legend is a switch", async () => {
    await tabTo(({ name }) => name.startsWith("Ready:"), { from: "/topology" });
    await keyboard.press(" ");
    await page.waitForURL((url) => url.searchParams.get("find") === "state:ready");
    same(await page.evaluate(() => document.activeElement?.getAttribute("aria-pressed")), "true", "pressed");
    await keyboard.press(" ");
    await page.waitForURL((url) => !url.searchParams.has("find"));
  });

  await story.step("the account's menu changes the theme and gives the focus back", async () => {
    await tabTo(({ name }) => name.startsWith("Signed in as"), { from: "/topology" });
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme ?? "system");
    for (const wanted of ["dark", "system"]) {
      await keyboard.press("Enter");
      await page.getByRole("menuitemradio", { name: "Light" }).waitFor();
      await keyboard.type(wanted === "dark" ? "Dark" : "As");
      await keyboard.press("Enter");
      await eventually(theme, (is) => is === wanted, `the theme ${wanted}`);
      await keyboard.press("Escape");
      await eventually(() => focused(page), ({ name }) => name.startsWith("Signed in as"), "the focus is back");
    }
  });

  await story.step("the help of the find box opens, is read and is closed", async () => {
    await tabTo(({ name }) => name === "What can be looked for", { from: "/map" });
    await keyboard.press("Enter");
    await page.getByRole("dialog", { name: "What can be looked for" }).waitFor();
    await keyboard.press("Escape");
    await eventually(() => focused(page), ({ name }) => name === "What can be looked for", "the focus is back");
  });

  await story.step("the map is moved and zoomed", async () => {
    await tabTo(({ role }) => role === "application");
    const picture = () => page.evaluate(() => document.activeElement.toDataURL());
    let before = await picture();
    for (const key of ["+", "ArrowRight", "ArrowDown", "-", "0"]) {
      await keyboard.press(key);
      before = await eventually(picture, (now) => now !== before, `${key} changes the map`);
    }
  });

  await story.step("the tree of the map is walked, and Enter shows a place on it", async () => {
    await tabTo(({ role }) => role === "treeitem", { from: "/map" });
    await page.locator(".map .topology-canvas[data-revision]").waitFor();
    const view = () => page.evaluate(() => ({ ...document.querySelector(".topology-canvas").map.stage.view }));
    const before = await view();
    await keyboard.press("s");
    await eventually(
      () => page.evaluate(() => document.activeElement?.querySelector(".tree-name")?.textContent ?? ""),
      (name) => name.startsWith("S"),
      "a name with S",
    );
    await keyboard.press("Enter");
    await page.waitForURL((url) => url.searchParams.has("select"));
    await eventually(view, (now) => now.x !== before.x, "the map moves there");
  });

  await story.step("a list is ordered, its columns chosen, and a row opened", async () => {
    await tabTo(({ tag, name }) => tag === "BUTTON" && name === "Name", { from: "/list/sites" });
    const sorted = () => page.locator('[role="columnheader"]', { hasText: "Name" }).getAttribute("aria-sort");
    for (const [order, is] of [["NAME", "ascending"], ["-NAME", "descending"], ["", null]]) {
      await keyboard.press("Enter");
      await page.waitForURL((url) => (url.searchParams.get("order") ?? "") === order);
      same(await sorted(), is, "the order that is read out");
    }
    await tabTo(({ name }) => name === "Columns", { from: "/list/sites" });
    await keyboard.press("Enter");
    const tier = page.getByRole("checkbox", { name: "Tier" });
    await tier.waitFor();
    await tabTo(({ name }) => name.trim() === "Tier");
    await keyboard.press(" ");
    await page.waitForURL((url) => url.searchParams.has("columns"));
    await keyboard.press("Escape");
    await eventually(() => page.locator('[role="columnheader"]', { hasText: "Tier" }).count(), (many) => many === 0, "no such column");
    await tabTo(({ tag, within }) => tag === "A" && within === "row");
    await keyboard.press("Enter");
    await page.waitForURL((url) => url.pathname.startsWith("/entity/"));
  });

  await story.step("tabs are changed with arrows", async () => {
    const { deployments } = await story.ask('{ deployments(first: 1, filter: { name: { eq: "video" } }) { nodes { id } } }');
    await tabTo(({ role }) => role === "tab", { from: `/entity/${deployments.nodes[0].id}` });
    await keyboard.press("ArrowRight");
    await page.waitForURL((url) => url.searchParams.get("tab") === "releases");
    same(await page.evaluate(() => document.activeElement?.getAttribute("aria-selected")), "true", "the tab with the focus");
    await keyboard.press("ArrowLeft");
    await page.locator(".why-rule select").waitFor();
    await tabTo(({ tag }) => tag === "SELECT");
    await keyboard.press("ArrowDown");
    check((await page.locator(".why-rule select").inputValue()) !== "", "no rule was chosen");
  });
  same(query(page, "find"), "", "what is looked for at the end");

  /** Presses Tab until what is wanted has the focus; from the top of a page when one is given. */
  async function tabTo(wanted, { from } = {}) {
    if (from !== undefined) await story.goTo(from);
    // Before its rows are there a list has no heads that Tab could come to.
    if (from?.startsWith("/list/")) await page.locator('[role="cell"]').first().waitFor();
    // What is not there yet is come to in a later round.
    const end = Date.now() + PATIENCE_MS;
    do {
      for (let stop = 0; stop < MOST_STOPS; stop += 1) {
        await keyboard.press("Tab");
        const now = await focused(page);
        if (wanted(now)) return now;
      }
    } while (Date.now() < end);
    throw new Error(`Tab does not come to ${wanted}`);
  }
}

/** What has the focus, as it is seen and read out. */
async function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement ?? document.body;
    const style = getComputedStyle(element);
    const label = element.closest("label") ?? element;
    const role = element.getAttribute("role") ?? "";
    return {
      tag: element.tagName,
      role,
      name: element.getAttribute("aria-label") ?? label.textContent.trim(),
      within: element.closest('[role="row"]') ? "row" : "",
      // A control that is drawn by another element shows the focus there.
      outline:
        (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) ||
        [...(label.children ?? [])].some((child) => getComputedStyle(child).outlineStyle !== "none"),
    };
  });
}
