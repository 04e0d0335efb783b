// axe-core on every page, in light and in dark, and with what opens over pages open. It cannot see into the canvases, which
// the tree beside them stands for.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

import { allIsWell } from "../demo.mjs";
import { check, eventually } from "../story.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIDE_BY_SIDE = 2;
/** The rules that look at colours, which are all that a theme changes. */
const COLOURS = ["color-contrast", "link-in-text-block"];
const KINDS = `{
  regions(first: 1) { nodes { id } } sites(first: 1, filter: { role: { eq: COMPUTE } }) { nodes { id } } nodes(first: 1) { nodes { id } }
  links(first: 1) { nodes { id } } clusters(first: 1) { nodes { id } } apps(first: 1) { nodes { id } }
  appVersions(first: 1) { nodes { id } } components(first: 1) { nodes { id } } services(first: 1) { nodes { id } }
  deployments(first: 1) { nodes { id tenant { id } } } releases(first: 1) { nodes { id } } instances(first: 1) { nodes { id } }
  operations(first: 1) { nodes { id } } events(first: 1) { nodes { id } } tenants(first: 1) { nodes { id } }
  users(first: 1) { nodes { id } } roleBindings(first: 1) { nodes { id } }
}`;

export async function tell(story) {
  const { page, context } = story;
  // Not an element of the page: its policy allows no script but its own.
  await context.addInitScript(AXE);
  await story.signIn();
  await allIsWell(story);
  const found = await story.ask(KINDS);
  const first = Object.fromEntries(Object.entries(found).map(([kind, { nodes }]) => [kind, nodes[0].id]));
  const rebalance = { rebalance: { tenantId: found.deployments.nodes[0].tenant.id } };
  const { createPlan } = await story.ask(
    "mutation($input: CreatePlanInput!) { createPlan(input: $input) { ... on CreatePlanPayload { plan { id } } } }",
    { input: rebalance },
  );
  const plan = `/entity/${createPlan.plan.id}`;
  await story.goTo("/list/sites");
  await page.locator(".list-kinds a").first().waitFor();
  const lists = await page.locator(".list-kinds a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  check(lists.length > 15, lists.join(", "));
  const tabs = [page, ...(await Promise.all(Array.from({ length: SIDE_BY_SIDE - 1 }, () => context.newPage())))];

  await story.step("the topology: whole, with something found, with nothing found, with each kind selected", async () => {
    const queries = ["find=stockholm", "find=nobody-has-this-name", "find=kind:toaster", "find=state:ready+-oslo"];
    for (const kind of ["regions", "sites", "nodes", "links", "instances"]) queries.push(`select=${first[kind]}`);
    await clean(["/topology", ...queries.map((query) => `/topology?${query}`)]);
  });

  await story.step("the map, and the reach of a deployment on it", async () => {
    await clean(["/map", `/map?reach=${first.deployments}&select=${first.sites}`, "/map?find=tier:metro"]);
  });

  await story.step("the list of every kind", async () => {
    await clean([...lists, "/list/sites?find=nobody-has-this-name", "/list/sites?order=-NAME&columns=name,labels"], { within: true });
  });

  await story.step("the page of a thing of every kind", async () => {
    const others = [`/entity/${first.deployments}?tab=releases`, `/entity/${first.sites}?tab=events`, `/entity/${first.sites}?tab=why`, plan];
    await clean([...Object.values(first).map((id) => `/entity/${id}`), ...others], { within: true });
  });

  await story.step("pages that are not there, and the plain ones", async () => {
    await clean(["/list/toasters", "/entity/site_nobody"]);
    await clean(["/plain", "/playground/plain", "/auth/login"], { live: false });
  });

  await story.step("the playground, around the editor", async () => {
    await page.goto(`${story.origin}/playground`);
    await page.locator("[data-example]").first().waitFor();
    await page.getByRole("link", { name: "Dashboard" }).waitFor();
    await inBothThemes("/playground", { without: [".graphiql-tab", ".monaco-editor"] });
  });

  await story.step("what opens over a page", async () => {
    const open = [
      ["/topology", () => page.getByRole("button", { name: "Signed in as admin" }), "menu"],
      ["/topology", () => page.getByRole("button", { name: "What can be looked for" }), "dialog"],
      ["/list/nodes", () => page.getByRole("button", { name: "Columns" }), "dialog"],
      [plan, () => page.getByRole("button", { name: "Apply…" }), "alertdialog"],
    ];
    for (const [path, button, role] of open) {
      await story.goTo(path);
      await button().click();
      await page.getByRole(role).waitFor();
      await inBothThemes(`${path} with its ${role} open`);
    }
    await story.goTo(plan);
    await page.getByRole("button", { name: /^Reasons for / }).first().click();
    await page.locator(".plan-step .why-table tbody tr").nth(3).waitFor();
    await inBothThemes("a plan with the reasons of a step");
  });

  await story.step("the theme that was chosen against the system's", async () => {
    await page.evaluate(() => localStorage.setItem("edgeatlas:theme", "dark"));
    await clean(["/topology", `/entity/${first.deployments}`], { themes: ["light"] });
    await page.evaluate(() => localStorage.setItem("edgeatlas:theme", "light"));
    await clean(["/topology", `/entity/${first.deployments}`], { themes: ["dark"] });
    await page.evaluate(() => localStorage.removeItem("edgeatlas:theme"));
  });

  /** Looks at pages, a few side by side; those of `within` are come to as by a link, without loading a page again. */
  async function clean(paths, { live = true, within = false, themes } = {}) {
    const left = [...paths];
    const look = async (tab) => {
      for (let path = left.shift(); path !== undefined; path = left.shift()) {
        if (within && leavesPage(path, tab)) await follow(path, tab);
        else if (live) await story.goTo(path, tab);
        else await tab.goto(story.origin + path);
        const words = () => tab.locator("body").innerText();
        await eventually(words, (all) => !all.includes("Loading…"), `${path} is loaded`);
        await inBothThemes(path, { tab, themes });
      }
    };
    await Promise.all(tabs.map(look));
  }

  /** Whether it is another page than the one before the viewer, whose elements then go. */
  function leavesPage(path, tab) {
    return tab.url().startsWith(story.origin) && new URL(path, story.origin).pathname !== new URL(tab.url()).pathname;
  }

  /** Goes where a link would lead: what was there is gone before anything is looked at. */
  async function follow(path, tab) {
    const before = await tab.evaluateHandle((to) => {
      const page = document.querySelector("main").firstElementChild;
      history.pushState(null, "", to);
      return page;
    }, path);
    await tab.waitForFunction((page) => !page.isConnected, before);
    await before.dispose();
    await story.live(tab);
  }

  /**
   * All rules in the first theme, and those of colours in the others: nothing else differs between them. `without` are parts
   * that a library draws: GraphiQL's tabs hold buttons, Monaco's numbers of lines are faint.
   */
  async function inBothThemes(what, { tab = page, themes = ["light", "dark"], without = [] } = {}) {
    for (const theme of themes) {
      await tab.emulateMedia({ colorScheme: theme });
      const looked = { include: [["html"]], exclude: without.map((each) => [each]) };
      const options = { resultTypes: ["violations"], ...(theme !== themes[0] && { runOnly: COLOURS }) };
      const violations = await tab.evaluate(
        async ([looked, options]) => {
          const found = await window.axe.run(looked, options);
          const shown = (nodes) => nodes.slice(0, 3).map(({ html }) => html.slice(0, 160));
          return found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${shown(nodes).join(" | ")}`);
        },
        [looked, options],
      );
      check(violations.length === 0, `${what} in ${theme}:\n${violations.join("\n")}`);
    }
  }
}
