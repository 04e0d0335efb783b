// A deployment from the list to its reasons, its sites, and an operation that goes on while one looks.
import { readFileSync } from "node:fs";

import { allIsWell, configure } from "../demo.mjs";
import { check, eventually, isMarked, mark, query, same } from "../story.mjs";
import { camera, treeItem } from "../topology-page.mjs";

const DECIDED = `query($name: String!, $rule: String) {
  deployments(first: 1, filter: { name: { eq: $name } }) {
    nodes {
      id
      decision {
        placements { score site { id name } terms { name } components { replicas component { name } } }
        refusalsByRule { rule sites }
        refusals(first: 50, filter: { rule: $rule }) { nodes { site { name } reasons { rule need have unit } } }
      }
    }
  }
}`;
const SCALE = `mutation($id: ID!, $name: String!, $count: Int!) {
  scaleDeployment(input: { id: $id, replicas: [{ name: $name, count: $count }] }) {
    ... on ScaleDeploymentPayload { operation { id } }
    ... on Error { code message remedy path }
  }
}`;

export async function tell(story) {
  const { page } = story;
  await story.signIn();
  await allIsWell(story);
  const rule = await busiestRule(story);
  const [video] = (await story.ask(DECIDED, { name: "video", rule })).deployments.nodes;
  const { decision } = video;

  await story.step("the list of deployments leads to the page of one", async () => {
    await page.getByRole("link", { name: "Deployments" }).first().click();
    await page.getByRole("row", { name: /video/ }).getByRole("link", { name: "video", exact: true }).first().click();
    await page.getByRole("heading", { level: 1, name: "video" }).waitFor();
    same(new URL(page.url()).pathname, `/entity/${video.id}`, "the address");
  });

  await story.step("it says which sites were chosen, with the terms of their costs as bars", async () => {
    const chosen = page.locator(".why-table", { hasText: "Cost by its terms" });
    await chosen.waitFor();
    const names = await chosen.locator("tbody th").allInnerTexts();
    same(names.sort(), decision.placements.map(({ site }) => site.name).sort(), "chosen sites");
    same(await chosen.locator("meter").count(), decision.placements.flatMap(({ terms }) => terms).length, "bars");
    check(/\d/.test(await chosen.locator(".why-term-value").first().innerText()), "a term has no value");
  });

  await story.step("it says which were refused, by which rule, and what was needed and what there was", async () => {
    const options = await page.locator(".why-rule option").allInnerTexts();
    same(options.length, decision.refusalsByRule.length + 1, "rules to choose from");
    await page.locator(".why-rule select").selectOption(rule);
    const refused = page.locator(".why-table", { hasText: "Reasons" }).locator("tbody tr");
    const wanted = decision.refusals.nodes.map(({ site }) => site.name);
    await eventually(
      () => refused.locator("th").allInnerTexts(),
      (names) => JSON.stringify(names) === JSON.stringify(wanted),
      `those that ${rule} refused first`,
    );
    const [reason] = decision.refusals.nodes[0].reasons;
    const words = await refused.first().innerText();
    check(decision.refusals.nodes.every(({ reasons }) => reasons.some((each) => each.rule === rule)), `not all by ${rule}`);
    check(words.includes(reason.rule.replaceAll("_", " ")) && words.includes(String(reason.need)), words);
    check(reason.have === null || words.includes(String(reason.have)), words);
  });

  const site = decision.placements[0].site;
  await story.step("a chosen site leads to its page, with what runs there", async () => {
    await page.locator(".why-table", { hasText: "Cost by its terms" }).getByRole("link", { name: site.name, exact: true }).click();
    await page.getByRole("heading", { level: 1, name: site.name }).waitFor();
    await page.getByRole("tab", { name: "Instances" }).click();
    same(query(page, "tab"), "instances", "the tab in the address");
    await page.locator('.related [role="row"]').nth(1).waitFor();
  });

  await story.step("and from there into the topology, where it is selected", async () => {
    await page.getByRole("link", { name: "Show in the topology" }).click();
    await story.live();
    same(query(page, "select"), site.id, "what is selected");
    await page.locator(".topology-details h2", { hasText: site.name }).waitFor();
    await eventually(() => treeItem(page, site.id).getAttribute("aria-selected"), (is) => is === "true", "selected in the tree");
    const before = await camera(page);
    await page.getByRole("button", { name: "Show it" }).click();
    await eventually(() => camera(page), (now) => now.scale > before.scale, "the picture comes nearer");
  });

  const { component, replicas } = decision.placements[0].components[0];
  await configure(story, { unreadyReplicas: 9 });
  await story.step("an operation is followed release by release without a reload", async () => {
    const { scaleDeployment } = await story.ask(SCALE, { id: video.id, name: component.name, count: replicas + 1 });
    const { id } = scaleDeployment.operation;
    await page.getByRole("link", { name: "Operations" }).first().click();
    await page.locator(`.list-body a[href="/entity/${id}"]`).first().click();
    await mark(page);
    const progress = page.locator(".operation-progress");
    await progress.waitFor();
    // What is new is not ready before it was seen to be awaited.
    const bar = () => progress.evaluate(({ value, max }) => [value, max]);
    await eventually(bar, ([value, max]) => value === 0 && max > 0, "no release is done");
    await configure(story, { unreadyReplicas: 0 });
    const told = () => page.locator(".tab-panel [role='status']").innerText();
    const isDone = (words) => /^(\d+) of \1 releases are done/.test(words) && !words.startsWith("0 ");
    await eventually(told, isDone, "all releases are done");
    await eventually(bar, ([value, max]) => value === max && max > 0, "the bar is full");
    await page.locator(".entity-facts", { hasText: "Succeeded" }).waitFor();
    check(await isMarked(page), "the page was loaded again");
    const releases = page.locator(".outcomes tbody tr");
    await eventually(() => releases.count(), (many) => many >= decision.placements.length, "releases below the progress");
    check((await page.title()).startsWith("Scaling of video"), await page.title());
  });
  await allIsWell(story);

  await story.step("an operation that has ended still shows its releases, when a later one works on them", async () => {
    const { entity } = await story.ask(`query($id: ID!) { entity(id: $id) { ... on Deployment {
      operations(first: 50) { nodes { id progress { total } } }
    } } }`, { id: video.id });
    const oldest = entity.operations.nodes.at(-1);
    check(entity.operations.nodes.length > 1 && oldest.progress.total > 0, JSON.stringify(entity));
    await story.goTo(`/entity/${oldest.id}`);
    await page.getByText("A later operation has worked on this deployment since").waitFor();
    await eventually(() => page.locator(".outcomes tbody tr").count(), (many) => many === oldest.progress.total, "each of its releases");
    same(await page.locator(".outcomes tbody tr", { hasText: "done" }).count(), oldest.progress.total, "releases that are done");
  });

  await story.step("desired and observed stand beside each other for a release, and for its deployment", async () => {
    await page.locator('.outcomes a[href^="/entity/release_"]').first().click();
    await page.getByRole("heading", { name: "Desired and observed" }).waitFor();
    check((await page.locator(".entity-pairs tbody tr").count()) > 1, "nothing to compare");
    await story.goTo(`/entity/${video.id}`);
    await page.locator(".entity-pairs tr", { hasText: "Ready replicas" }).getByText("as desired").waitFor();
    same(await page.title(), "video · Deployment · EdgeAtlas", "the title");
  });

  await story.step("a list is ordered and its columns chosen in the address, and taken away as CSV and JSON", async () => {
    await story.goTo("/list/nodes?find=arch:arm64");
    await page.getByRole("button", { name: "Name" }).click();
    await page.waitForURL((url) => url.searchParams.get("order") === "NAME");
    const names = await eventually(
      () => page.locator('[role="row"] [role="cell"]:first-child').allInnerTexts(),
      (all) => all.length > 5,
      "rows",
    );
    const { nodes } = await story.ask('{ nodes(first: 5, filter: { arch: { eq: "arm64" } }) { nodes { name } } }');
    same(names.slice(0, 5), nodes.nodes.map(({ name }) => name), "the first five by name");
    for (const format of ["csv", "json"]) {
      const [file] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: `Export ${format.toUpperCase()}` }).click(),
      ]);
      same(file.suggestedFilename(), `nodes.${format}`, "the file's name");
      const words = readFileSync(await file.path(), "utf8");
      check(words.includes(format === "csv" ? '"Memory, bytes"' : '"memoryBytes":'), words.slice(0, 300));
    }
  });
}

/** The rule that refused most sites. */
async function busiestRule(story) {
  const { deployments } = await story.ask(DECIDED, { name: "video" });
  const rules = deployments.nodes[0].decision.refusalsByRule;
  return [...rules].sort((a, b) => b.sites - a.sites)[0].rule;
}
