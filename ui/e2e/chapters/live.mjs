// The picture goes on by itself: a site goes away and returns, and a server that is killed is waited for, while nothing of
// what one has before oneself is lost.
import { allIsWell, configure, siteNamed } from "../demo.mjs";
import { check, eventually, isMarked, mark, query, same } from "../story.mjs";
import { camera, cameraAtRest, drawnRevision, legendCount, positions, treeItem } from "../topology-page.mjs";

const LABEL = `mutation($id: ID!, $value: String!) {
  updateNode(input: { id: $id, labels: [{ key: "seen", value: $value }] }) { __typename ... on Error { code message remedy path } }
}`;

export async function tell(story) {
  const { page } = story;
  await story.signIn();
  await allIsWell(story);
  const site = await siteNamed(story, "Stockholm");
  const item = treeItem(page, site.id);
  const words = async () => (await item.innerText()).replace(/\s+/g, " ");
  let frame;
  let view;
  let places;

  await story.step("one looks at a site from near by", async () => {
    await story.goTo(`/topology?select=${site.id}`);
    await page.getByRole("button", { name: "Show it" }).click();
    frame = await page.locator(".topology-canvas").boundingBox();
    const [x, y] = [frame.x + frame.width / 3, frame.y + frame.height / 3];
    await page.mouse.move(x, y);
    await page.mouse.wheel(0, -120);
    await page.mouse.down();
    await page.mouse.move(x + 60, y + 40, { steps: 4 });
    await page.mouse.up();
    same(query(page, "select"), site.id, "what is selected after moving the picture");
    view = await cameraAtRest(page);
    places = await positions(page);
    await mark(page);
    check(/Ready/.test(await words()), await words());
  });

  await story.step("the site goes away, and the tree, the counts and the panel tell of it", async () => {
    const before = await legendCount(page, "Down");
    await configure(story, { awaySites: [site.name] });
    await eventually(words, (now) => /Down/.test(now), "the site is down in the tree");
    await page.locator(".topology-details .state-badge", { hasText: "Down" }).first().waitFor();
    const lost = site.nodes.nodes.length;
    await eventually(() => legendCount(page, "Down"), (many) => many === before + lost, "its nodes are counted");
  });

  await story.step("it returns, and nothing was moved, loaded again or let go of", async () => {
    await configure(story, { awaySites: [] });
    await eventually(words, (now) => /Ready/.test(now) && !/Down|Unknown/.test(now), "the site is ready in the tree");
    await untouched("after the site's return");
  });

  await story.step("the server is killed, and the page says that what it shows is old", async () => {
    await story.please("kill");
    await page.locator('.feed[data-status="reconnecting"]').waitFor();
    await page.locator(".stale").waitFor();
    same(await page.locator(".topology-canvas").boundingBox(), frame, "where the picture is");
    const words = await page.locator(".stale").boundingBox();
    for (const corner of [".topology-summary", ".minimap", ".find", ".legend"]) {
      const box = await page.locator(corner).boundingBox();
      const apart = words.x >= box.x + box.width || box.x >= words.x + words.width || words.y >= box.y + box.height || box.y >= words.y + words.height;
      check(apart, `the words lie over ${corner}: ${JSON.stringify([words, box])}`);
    }
    await untouched("without a server");
  });

  await story.step("the server is back, and the page goes on without a reload where it was", async () => {
    const before = await drawnRevision(page);
    await story.please("start");
    await story.live();
    await story.ask(LABEL, { id: site.nodes.nodes[0].id, value: String(before) });
    await eventually(() => drawnRevision(page), (now) => now > before, "the revision advances");
    same(await page.locator(".stale").count(), 0, "words of what is old");
    await untouched("after the restart");
  });

  await story.step("and it is live: what changes now is seen", async () => {
    await configure(story, { awayNodes: [site.nodes.nodes[0].name] });
    await eventually(words, (now) => /Down/.test(now), "a node is down in the tree");
    await configure(story, { awayNodes: [] });
    await eventually(words, (now) => !/Down/.test(now), "no node is down in the tree");
    await untouched("at the end");
  });

  async function untouched(when) {
    check(await isMarked(page), `the page was loaded again ${when}`);
    same(await camera(page), view, `where one looks from ${when}`);
    same(query(page, "select"), site.id, `what is selected ${when}`);
    same(await item.getAttribute("aria-selected"), "true", `selected in the tree ${when}`);
    const now = await positions(page);
    const moved = Object.keys(places).filter((id) => now[id] !== places[id]);
    same(moved, [], `what was moved ${when}`);
  }
}
