// A thousand changes of the graph while one looks at it from near by: what comes takes a free place, what goes leaves its
// own, and nothing else is anywhere but where it was.
import { allIsWell } from "../demo.mjs";
import { check, eventually, isMarked, mark, same } from "../story.mjs";
import { camera, cameraAtRest, drawnRevision, positions } from "../topology-page.mjs";

const CHANGES = 1_000;
const BATCH = 20;
const WORLD = `query($after: String) {
  nodes(first: 500, after: $after) { nodes { id site { id } } pageInfo { hasNextPage endCursor } }
}`;
const PLACES = `{
  regions(first: 1) { nodes { id } }
  sites(first: 200, filter: { role: { eq: COMPUTE } }) { nodes { id } }
  links(first: 200) { nodes { id } }
  instances(first: 500) { nodes { node { id } } }
}`;
const COUNTS = "{ nodes(first: 0) { totalCount } sites(first: 0) { totalCount } links(first: 0) { totalCount } }";

export async function tell(story) {
  const { page } = story;
  await story.signIn();
  await allIsWell(story);
  const world = await World.read(story);
  let view;
  let places;

  await story.step("one has zoomed in and moved the picture", async () => {
    const box = await page.locator(".topology-canvas").boundingBox();
    await page.mouse.move(box.x + box.width / 3, box.y + box.height / 2);
    for (let turn = 0; turn < 6; turn += 1) await page.mouse.wheel(0, -200);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 3 + 90, box.y + box.height / 2 - 50, { steps: 5 });
    await page.mouse.up();
    await mark(page);
    view = await cameraAtRest(page);
    places = await positions(page);
    check(Object.keys(places).length > 1_000, "there is little to see");
  });

  for (let part = 0; part < 5; part += 1) {
    await story.step(`changes up to the ${(CHANGES / 5) * (part + 1)}th move nothing that they are not of`, async () => {
      for (let many = 0; many < CHANGES / 5; many += BATCH) await world.change(BATCH);
      await eventually(() => drawnRevision(page), (drawn) => drawn >= world.revision, "the picture follows");
      const now = await positions(page);
      const moved = Object.keys(places).filter((id) => !world.gone.has(id) && now[id] !== places[id]);
      same(moved, [], "what was moved");
      const left = [...world.gone].filter((id) => id in now);
      same(left, [], "what is still there");
      places = now;
      same(await camera(page), view, "where one looks from");
      check(await isMarked(page), "the page was loaded again");
    });
  }

  await story.step("a reload and a look at another page move nothing, and keep where one looks from", async () => {
    await page.reload();
    await story.live();
    await eventually(() => drawnRevision(page), (drawn) => drawn >= world.revision, "the picture is there again");
    same(await moved(page, places), [], "what was moved by the reload");
    same(await camera(page), view, "where one looks from after the reload");
    await page.getByRole("link", { name: "Map", exact: true }).click();
    await page.waitForURL((url) => url.pathname === "/map");
    await page.getByRole("link", { name: "Topology", exact: true }).click();
    await eventually(() => camera(page).catch(() => null), (now) => JSON.stringify(now) === JSON.stringify(view), "where one looks from");
    same(await moved(page, places), [], "what was moved by another page");
  });

  await story.step("what is arranged anew has other places, and everything has one", async () => {
    await page.getByRole("button", { name: "Arrange everything anew" }).click();
    await eventually(() => moved(page, places), (all) => all.length > 0, "something was arranged");
    check(Object.values(await positions(page)).every((place) => !place.includes("NaN")), "something has no place");
  });

  await story.step("and the picture has what the graph has", async () => {
    const { nodes, sites, links } = await story.ask(COUNTS);
    const wanted = [nodes, sites, links].map(({ totalCount }) => totalCount);
    const held = () =>
      page.evaluate(() => {
        const { topology } = document.querySelector(".topology-canvas").picture;
        return [topology.nodes.size, topology.sites.size, topology.links.size];
      });
    await eventually(held, (now) => JSON.stringify(now) === JSON.stringify(wanted), `${wanted}`);
    const places = await positions(page);
    check(Object.values(places).every((place) => !place.includes("NaN")), "something has no place");
  });
}

/** What is elsewhere than it was. */
async function moved(page, before) {
  const now = await positions(page);
  return Object.keys(before).filter((id) => now[id] !== before[id]);
}

/** The graph as the changes need it, and a generator that is always the same. */
class World {
  gone = new Set();
  revision = 0;
  changes = 0;
  state = 20;

  static async read(story) {
    const world = new World();
    world.story = story;
    const { regions, sites, links, instances } = await story.ask(PLACES);
    const busy = new Set(instances.nodes.map(({ node }) => node?.id));
    world.region = regions.nodes[0].id;
    world.sites = sites.nodes.map(({ id }) => id);
    world.links = links.nodes.map(({ id }) => id);
    world.nodes = [];
    world.own = { sites: [], links: [] };
    for (let after; ; ) {
      const { nodes } = await story.ask(WORLD, { after });
      world.nodes.push(...nodes.nodes.filter(({ id }) => !busy.has(id)).map(({ id }) => id));
      if (!nodes.pageInfo.hasNextPage) return world;
      after = nodes.pageInfo.endCursor;
    }
  }

  /** A number from 0 to 1 (xorshift). */
  random() {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 4294967296;
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  take(list) {
    return list.splice(Math.floor(this.random() * list.length), 1)[0];
  }

  /** So many changes of any sort, in one request. */
  async change(many) {
    const wanted = Array.from({ length: many }, () => this.one());
    const declared = wanted.map(({ kind }, at) => `$i${at}: ${kind[0].toUpperCase()}${kind.slice(1)}Input!`);
    const fields = wanted.map(({ kind, gives }, at) => {
      const payload = `${kind[0].toUpperCase()}${kind.slice(1)}Payload`;
      return `m${at}: ${kind}(input: $i${at}) { ... on ${payload} { revision ${gives} } ... on Error { code message remedy path } }`;
    });
    const variables = Object.fromEntries(wanted.map(({ input }, at) => [`i${at}`, input]));
    const answer = await this.story.ask(`mutation(${declared.join(", ")}) { ${fields.join("\n")} }`, variables);
    wanted.forEach(({ then }, at) => then?.(answer[`m${at}`]));
    this.revision = Math.max(...Object.values(answer).map(({ revision }) => revision));
  }

  one() {
    const sort = this.random();
    this.changes += 1;
    const name = `change-${Date.now()}-${this.changes}`;
    if (sort < 0.3) {
      return { kind: "createNode", gives: "node { id }", input: { name, siteId: this.pick(this.sites) }, then: ({ node }) => this.nodes.push(node.id) };
    }
    if (sort < 0.5) return this.removal("deleteNode", this.take(this.nodes));
    if (sort < 0.7) return { kind: "updateNode", gives: "", input: { id: this.pick(this.nodes), schedulable: this.random() < 0.5 } };
    if (sort < 0.8) return { kind: "updateLink", gives: "", input: { id: this.pick(this.links), state: this.random() < 0.5 ? "UP" : "DOWN" } };
    if (sort < 0.86) {
      return { kind: "createSite", gives: "site { id }", input: { name, regionId: this.region }, then: ({ site }) => this.own.sites.push(site.id) };
    }
    if (sort < 0.92) {
      const input = { fromSiteId: this.sites[0], toSiteId: this.pick(this.sites.slice(1)), latencyMs: 1 };
      return { kind: "createLink", gives: "link { id }", input, then: ({ link }) => this.own.links.push(link.id) };
    }
    if (sort < 0.96 && this.own.sites.length > 0) return this.removal("deleteSite", this.take(this.own.sites));
    if (this.own.links.length > 0) return this.removal("deleteLink", this.take(this.own.links));
    return { kind: "updateNode", gives: "", input: { id: this.pick(this.nodes), labels: [{ key: "seen", value: "here" }] } };
  }

  removal(kind, id) {
    this.gone.add(id);
    return { kind, gives: "", input: { id } };
  }
}
