// A plan from the list to the reasons of its steps, applied and deleted after a question; and a site that says which apps
// run there, and why the others do not.
import { allIsWell } from "../demo.mjs";
import { check, eventually, isMarked, mark, query, same } from "../story.mjs";

const VIDEO = `{ deployments(first: 1, filter: { name: { eq: "video" } }) { nodes {
  id tenant { id } appVersion { id } decision { placements { site { id name } } }
} } }`;
const MAKE = `mutation($input: CreatePlanInput!) { createPlan(input: $input) {
  ... on CreatePlanPayload { plan { id } } ... on Error { code message remedy path }
} }`;
const STEPS = `query($id: ID!) { plan(id: $id) { status steps(first: 4) { nodes {
  name outcome moves before { name } after { name } costAfter { total }
  decision { placements { site { name } terms { name } } refusalsByRule { rule sites } conflicts { message }
    refusals(first: 20) { nodes { site { name } reasons { rule need have unit message } } } }
} } } }`;
const HERE = `query($site: ID!) { deployments(first: 9, orderBy: [{ field: NAME }]) { nodes { name decision {
  placement(site: $site) { terms { name } components { replicas component { name } } }
  refusals(first: 4, filter: { site: $site }) { nodes { reasons { rule message } } }
} } } }`;
const TERMINATE = `mutation($id: ID!) { terminateDeployment(input: { id: $id, delete: true }) {
  ... on Error { code message remedy path }
} }`;
const OUTCOMES = { PLACES: "is placed", MOVES: "moves", STAYS: "stays", STUCK: "cannot go" };

export async function tell(story) {
  const { page } = story;
  await story.signIn();
  await allIsWell(story);
  const [video] = (await story.ask(VIDEO)).deployments.nodes;
  const { site } = video.decision.placements[0];
  const wish = (name, policy = {}) => ({
    deployment: { tenantId: video.tenant.id, appVersionId: video.appVersion.id, name, policy },
  });
  const make = async (input) => (await story.ask(MAKE, { input })).createPlan.plan.id;
  const drain = await make({ drain: { id: site.id }, whatIf: [{ demand: { factor: 2 } }] });
  const dialog = page.getByRole("alertdialog");

  await story.step("the list of plans leads to the page of one, at an address of its own", async () => {
    await story.goTo("/list/plans");
    await page.locator(`.list-body a[href="/entity/${drain}"]`).first().click();
    await page.getByRole("heading", { level: 1, name: `Drain of ${site.name}` }).waitFor();
    same(new URL(page.url()).pathname, `/entity/${drain}`, "the address");
    await page.getByRole("status").getByText("It can be applied until").waitFor();
    await page.getByText("demand everywhere is 2 times what it is").waitFor();
  });

  await story.step("its steps say where each deployment is and would be, and what that costs", async () => {
    const { nodes } = (await story.ask(STEPS, { id: drain })).plan.steps;
    check(nodes.some(({ name, outcome }) => name === "video" && outcome === "MOVES"), JSON.stringify(nodes.map(({ name, outcome }) => [name, outcome])));
    const rows = page.locator(".plan-steps > tbody > tr");
    await eventually(() => rows.count(), (many) => many === nodes.length, "a row for each step");
    for (const [at, step] of nodes.entries()) {
      const cells = await rows.nth(at).locator("th, td").allInnerTexts();
      const [name, outcome, from, to, moves] = cells.map((each) => each.trim());
      // Before the word stands a mark, for those who see no colours.
      same([name, outcome.replace(/^\W+/, ""), moves], [step.name, OUTCOMES[step.outcome], String(step.moves)], `step ${at}`);
      same(from.split(", ").sort(), sorted(step.before), "from");
      same(to.split(", ").sort(), step.after.length > 0 ? sorted(step.after) : ["nowhere"], "to");
    }
  });

  await story.step("a step opens its reasons: replicas and costs of what is chosen, need and have of what is refused", async () => {
    const { nodes } = (await story.ask(STEPS, { id: drain })).plan.steps;
    const { decision } = nodes.find(({ name }) => name === "video");
    const button = page.getByRole("button", { name: "Reasons for video" });
    await button.click();
    same(await button.getAttribute("aria-expanded"), "true", "the button says that it is open");
    const open = page.getByRole("region", { name: "Reasons for video" });
    const chosen = open.locator(".why-table", { hasText: "Cost by its terms" });
    await chosen.waitFor();
    same((await chosen.locator("tbody th").allInnerTexts()).sort(), decision.placements.map((one) => one.site.name).sort(), "chosen");
    same(await chosen.locator("meter").count(), decision.placements.flatMap(({ terms }) => terms).length, "bars");
    check(/ × \d/.test(await chosen.locator("tbody td").first().innerText()), "no replicas");
    const [{ rule }] = decision.refusalsByRule;
    await open.locator(".why-rule select").selectOption(rule);
    const [wanted] = decision.refusals.nodes.filter(({ reasons }) => reasons.some((each) => each.rule === rule));
    const [reason] = wanted.reasons;
    const first = open.locator(".why-table", { hasText: "Reasons" }).locator("tbody tr").first();
    await eventually(() => first.locator("th").innerText(), (name) => name.trim() === wanted.site.name, `who ${rule} refused first`);
    const words = await first.innerText();
    check(words.includes(String(reason.need)) && words.includes(reason.message), words);
    await button.click();
    await eventually(() => open.count(), (many) => many === 0, "it closes");
  });

  await story.step("deleting asks first: Escape leaves the plan, the answer takes it away and leads to the list", async () => {
    await page.getByRole("button", { name: "Delete…" }).click();
    await dialog.getByText(`Delete the plan “Drain of ${site.name}”?`).waitFor();
    same(await page.evaluate(() => document.activeElement.textContent), "Leave it as it is", "what has the focus");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    same((await story.ask(STEPS, { id: drain })).plan.status, "OPEN", "the plan");
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.waitForURL((url) => url.pathname === "/list/plans");
    same((await story.ask(STEPS, { id: drain })).plan, null, "the plan");
  });

  await story.step("one that cannot be done says what cannot be kept, and is refused with its reasons", async () => {
    const id = await make(wish("nowhere", { sites: { labels: "nobody=has-this" } }));
    const [{ decision }] = (await story.ask(STEPS, { id })).plan.steps.nodes;
    await story.goTo(`/entity/${id}`);
    await page.getByRole("heading", { level: 1, name: "Placement of nowhere" }).waitFor();
    await page.locator(".plan-steps").getByText("cannot go").waitFor();
    await page.getByRole("button", { name: "Reasons for nowhere" }).click();
    await page.getByRole("heading", { name: "What cannot be kept" }).waitFor();
    await page.locator(".why-conflicts").getByText(decision.conflicts[0].message).waitFor();
    await page.getByRole("button", { name: "Apply…" }).click();
    await page.getByRole("button", { name: "Apply it" }).click();
    await page.locator(".plan-told").waitFor();
    same((await story.ask(STEPS, { id })).plan.status, "OPEN", "the plan");
  });

  await story.step("applying asks first, and the page follows what it began without a reload", async () => {
    const [one, other] = [await make(wish("spare")), await make(wish("spare"))];
    await story.goTo(`/entity/${one}`);
    await mark(page);
    const planned = page.getByRole("table", { name: "What all of it costs, less is better" }).locator("tbody tr", { hasText: "As planned" });
    await eventually(() => planned.locator("td").allInnerTexts(), (terms) => terms.length === 6 && terms.every((each) => /^[\d.,]+$/.test(each)), "its cost, term by term");
    await page.getByRole("button", { name: "Apply…" }).click();
    await dialog.getByText("1 step is begun").waitFor();
    await dialog.getByRole("button", { name: "Leave it as it is" }).click();
    same((await story.ask(STEPS, { id: one })).plan.status, "OPEN", "the plan");
    await page.getByRole("button", { name: "Apply…" }).click();
    await page.getByRole("button", { name: "Apply it" }).click();
    await page.getByRole("status").getByText("It was applied at").waitFor();
    same(await page.getByRole("button", { name: "Apply…" }).count(), 0, "buttons to apply it again");
    await page.locator(".plan-operations").getByText("Deployment of spare: succeeded").waitFor();
    check(await isMarked(page), "the page was loaded again");
    await story.goTo(`/entity/${other}`);
    await page.getByRole("button", { name: "Apply…" }).click();
    await page.getByRole("button", { name: "Apply it" }).click();
    await page.locator(".plan-told").getByText("spare").first().waitFor();
  });

  await story.step("a site says which apps run there and at what cost, and why the others do not", async () => {
    await story.goTo(`/entity/${site.id}`);
    await page.getByRole("tab", { name: "Why apps run here, or not" }).click();
    same(query(page, "tab"), "why", "the tab in the address");
    const { nodes } = (await story.ask(HERE, { site: site.id })).deployments;
    check(nodes.some(({ decision }) => decision.placement) && nodes.some(({ decision }) => !decision.placement), "all or none run there");
    const rows = page.locator(".why-here > tbody > tr");
    const lines = nodes.map(({ decision }) => (decision.placement ? 1 : decision.refusals.nodes.flatMap(({ reasons }) => reasons).length));
    await eventually(() => rows.count(), (many) => many === lines.reduce((sum, each) => sum + each, 0), "a row for each reason");
    let row = 0;
    for (const [at, { name, decision }] of nodes.entries()) {
      const words = await rows.nth(row).innerText();
      check(words.startsWith(name), words);
      if (decision.placement) {
        check(words.includes("runs here: ") && words.includes(decision.placement.components[0].component.name), words);
        same(await rows.nth(row).locator("meter").count(), decision.placement.terms.length, "bars");
      } else {
        const [reason] = decision.refusals.nodes[0].reasons;
        check(words.includes("does not run here") && words.includes(reason.rule.replaceAll("_", " ")) && words.includes(reason.message), words);
      }
      row += lines[at];
    }
    await page.getByLabel("Deployments with a name like").fill("vid");
    await eventually(() => page.locator(".why-here tbody th").allInnerTexts(), (names) => names.join() === "video", "what is looked for");
  });

  const { deployments } = await story.ask('{ deployments(filter: { name: { eq: "spare" } }) { nodes { id } } }');
  await story.ask(TERMINATE, { id: deployments.nodes[0].id });
  const gone = async () => (await story.ask('{ deployments(filter: { name: { eq: "spare" } }) { totalCount } }')).deployments.totalCount;
  await eventually(gone, (many) => many === 0, "the spare one is gone");
}

function sorted(sites) {
  return sites.map(({ name }) => name).sort();
}
