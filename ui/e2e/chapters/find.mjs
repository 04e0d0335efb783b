// Signing in, and finding: one expression that the picture, the tree, the counts, the lists and the address share.
import { allIsWell, configure, siteNamed } from "../demo.mjs";
import { check, eventually, query, same } from "../story.mjs";
import { found, legendCount, lookFor, pixels, sitesWithinHops, treeItems } from "../topology-page.mjs";

export async function tell(story) {
  const { page, origin } = story;

  await story.step("a caller without a session is sent to sign in, and back to the address after it", async () => {
    await page.goto(`${origin}/topology?find=state:down`);
    await page.waitForURL((url) => url.pathname === "/auth/login");
    same(query(page, "next"), "/topology?find=state:down", "next");
  });

  await story.step("the sign-in link leads to the topology, live and with everything in it", async () => {
    await story.signIn();
    await allIsWell(story);
    same(new URL(page.url()).pathname, "/topology", "where the link leads");
    const { sites, nodes } = await story.ask("{ sites(first: 0) { totalCount } nodes(first: 0) { totalCount } }");
    const words = (await page.locator(".topology-summary").innerText()).replaceAll(",", "");
    check(words.includes(`${sites.totalCount} sites`) && words.includes(`${nodes.totalCount} nodes`), words);
    check((await treeItems(page)).length > 10, "the tree is empty");
  });

  await story.step("a name drives the address, the tree, the counts and the picture", async () => {
    const before = await pixels(page);
    const frame = await page.locator(".topology-canvas").boundingBox();
    await lookFor(page, "stockholm");
    const [sites] = await eventually(() => found(page), (many) => many !== null, "nothing is counted");
    const named = await story.ask('{ sites(first: 0, filter: { name: { contains: "stockholm" } }) { totalCount } }');
    same(sites, named.sites.totalCount, "sites found");
    const words = "the continent, the country, and the sites found in it";
    const items = await eventually(() => treeItems(page), (all) => all.length === sites + 2, words);
    check(items[1].startsWith("Sweden") && items.slice(2).every((item) => /stockholm/i.test(item)), items.join(", "));
    await eventually(async () => (await pixels(page)) !== before, (differs) => differs, "the picture is another than before");
    same(await page.locator(".topology-canvas").boundingBox(), frame, "where the picture is");
  });

  const [lost, other] = await Promise.all(["Stockholm", "Zaragoza"].map((name) => siteNamed(story, name)));
  await story.step("state:down, from the legend, finds what is down and nothing else", async () => {
    await lookFor(page, "");
    await configure(story, { awayNodes: [lost.nodes.nodes[0].name, other.nodes.nodes[0].name] });
    await eventually(() => legendCount(page, "Down"), (many) => many === 2, "two nodes are away");
    await page.locator(".legend-state", { hasText: "Down" }).click();
    await page.waitForURL((url) => url.searchParams.get("find") === "state:down");
    same(await eventually(() => found(page), (many) => many?.[1] === 2, "two nodes are found"), [0, 2], "found");
    const words = "the continent, two countries, and the site in each with a node that is down";
    await eventually(() => treeItems(page), (items) => items.length === 5, words);
  });

  await story.step("an exclusion takes one of them away", async () => {
    await lookFor(page, "state:down -stockholm");
    await eventually(() => found(page), (many) => many?.[1] === 1, "one is left");
    const isLeft = (items) => items.some((item) => item.startsWith("Zaragoza")) && !items.some((item) => /stockholm/i.test(item));
    await eventually(() => treeItems(page), isLeft, "the other one is left");
  });

  let near;
  await story.step("within:2hops takes what is so near by the links", async () => {
    await lookFor(page, "stockholm within:2hops");
    near = await sitesWithinHops(page, "stockholm", 2);
    await eventually(() => found(page), (many) => many?.[0] === near.length, `${near.length} sites are within two hops`);
    check(near.length > 2, near.join(", "));
  });

  await story.step("around a distance, what is excluded stays so, and a kind is what is shown of it", async () => {
    const other = near.find((name) => !/stockholm/i.test(name));
    const called = (name) => name.toLowerCase().includes(other.toLowerCase());
    const left = near.filter((name) => !called(name)).length;
    await lookFor(page, `stockholm within:2hops -"${other}"`);
    await eventually(() => found(page), (many) => many?.[0] === left, `${left} are left without ${other}`);
    await lookFor(page, "kind:site stockholm within:2hops");
    same(await eventually(() => found(page), (many) => many?.[1] === 0, "no nodes"), [near.length, 0], "found");
    await lookFor(page, "stockholm within:2hops");
    await eventually(() => found(page), (many) => many?.[0] === near.length, "all that are near");
  });

  await story.step("a reload keeps what is looked for", async () => {
    await page.reload();
    await story.live();
    same(await page.locator('.find input[type="search"]').inputValue(), "stockholm within:2hops", "the words");
    await eventually(() => found(page), (many) => many?.[0] === near.length, "the same are found");
  });

  await story.step("the map and the list of sites find the same", async () => {
    await page.getByRole("link", { name: "Map", exact: true }).click();
    same(query(page, "find"), "stockholm within:2hops", "the words on the map");
    await eventually(() => found(page), (many) => many?.[0] === near.length, "the same are found on the map");
    await page.getByRole("link", { name: "Inventory" }).click();
    await page.locator(".list-said", { hasText: `${near.length} of ${near.length}` }).waitFor();
    const names = () => page.locator('[role="row"] [role="cell"]:first-child').allInnerTexts();
    await eventually(names, (all) => all.length > 2 && all.every((name) => near.includes(name)), "rows of what is near alone");
  });

  await story.step("a list counts its own kind, and takes a region with however many places are in it", async () => {
    for (const [kind, field, noun] of [
      ["nodes", "nodes", "nodes"],
      ["sites", "sites", "sites"],
      ["links", "links", "links"],
      ["instances", "instances", "instances"],
    ]) {
      await story.goTo(`/list/${kind}?find=region:europe`);
      const { all } = await story.ask(`{ all: ${field}(first: 0) { totalCount } }`);
      const words = () => page.locator(".find-result").innerText();
      const number = new Intl.NumberFormat("en").format(all.totalCount);
      await eventually(words, (now) => now.includes(`${number} ${noun} found`), `${number} ${noun} found`);
    }
    await story.goTo("/list/nodes?find=region:sweden");
    await page.getByRole("navigation", { name: "Kinds" }).getByRole("link", { name: "Links" }).click();
    await page.waitForURL((url) => url.pathname === "/list/links" && url.searchParams.get("find") === "region:sweden");
    same(await page.title(), "Links · EdgeAtlas", "the title");
    await page.goBack();
    const { sweden } = await story.ask('{ sweden: nodes(first: 0, filter: { atSite: { withinRegion: { name: { eq: "Sweden" } } } }) { totalCount } }');
    await page.locator(".find-result", { hasText: `${sweden.totalCount} nodes found` }).waitFor();
    check(sweden.totalCount > 3 && sweden.totalCount < 50, `${sweden.totalCount} nodes in Sweden`);
  });

  await story.step("a word that means nothing is told, and an empty result says what to do", async () => {
    await story.goTo("/topology?find=kind:toaster");
    await page.locator(".find-problem", { hasText: "kinds are region" }).waitFor();
    await lookFor(page, "there-is-no-such-name");
    await page.locator(".tree-empty").waitFor();
    await page.getByRole("button", { name: "Clear what is looked for" }).click();
    await page.locator('[role="treeitem"]').first().waitFor();
  });

  await story.step("the picture can be taken away as PNG", async () => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /PNG/ }).click()]);
    check(/^topology-\d+\.png$/.test(file.suggestedFilename()), file.suggestedFilename());
  });

  await story.step("without JavaScript the page leads to a plain table of all sites", async () => {
    const state = await story.context.storageState();
    const bare = await (await story.opened.newContext({ javaScriptEnabled: false, storageState: state })).newPage();
    await bare.goto(`${origin}/topology`);
    const link = bare.getByRole("link", { name: "The plain table of sites" });
    const box = await link.boundingBox();
    check(box !== null && box.y >= 0 && box.y + box.height < 800, `the way out is at ${JSON.stringify(box)}`);
    await link.click();
    await bare.locator("tbody th", { hasText: "Aalborg" }).waitFor();
    await bare.getByRole("link", { name: "Next page" }).click();
    await bare.locator("tbody tr").nth(99).waitFor();
    same(await bare.locator("tbody th", { hasText: "Aalborg" }).count(), 0, "Aalborg on the second page");
  });
}
