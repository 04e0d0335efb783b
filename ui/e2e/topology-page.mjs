// The topology page as the tests look at it: the tree by its items, the counts by their words, and the picture by the parts
// that its canvas holds for programs (`canvas.picture`), for a canvas shows nothing to a reader of the document.

/** The items of the tree that are elements now, as they are read out. */
export async function treeItems(page) {
  return page.locator('[role="treeitem"]').evaluateAll((items) =>
    items.map((item) => {
      const read = item.cloneNode(true);
      for (const hidden of read.querySelectorAll('[aria-hidden="true"]')) hidden.remove();
      return read.textContent.replace(/\s+/g, " ").trim();
    }),
  );
}

/** The item of an id. */
export function treeItem(page, id) {
  return page.locator(`[role="treeitem"][data-row="${id}"]`);
}

export async function legendCount(page, state) {
  const label = await page.locator(".legend-state", { hasText: state }).getAttribute("aria-label");
  return Number(/: ([\d,]+) nodes?/.exec(label)[1].replaceAll(",", ""));
}

/** `[sites, nodes]` that are found, or null while nothing is looked for. */
export async function found(page) {
  const words = await page.locator(".find-result").innerText();
  const numbers = /([\d,]+) sites?, ([\d,]+) nodes?/.exec(words);
  return numbers && numbers.slice(1).map((number) => Number(number.replaceAll(",", "")));
}

/** Writes into the find box and waits until the address has it. */
export async function lookFor(page, words) {
  await page.locator('.find input[type="search"]').fill(words);
  await page.waitForFunction((text) => (new URLSearchParams(location.search).get("find") ?? "") === text, words);
}

/** Where one looks from. */
export async function camera(page) {
  return page.evaluate(() => {
    const { x, y, scale } = document.querySelector(".topology-canvas").picture.camera;
    return { x, y, scale };
  });
}

/** The same once it stays so: what was done with the wheel may be seen a moment later. */
export async function cameraAtRest(page) {
  for (let before = await camera(page); ; ) {
    await page.waitForTimeout(200);
    const now = await camera(page);
    if (JSON.stringify(now) === JSON.stringify(before)) return now;
    before = now;
  }
}

/** The revision that the picture was last drawn at. */
export async function drawnRevision(page) {
  return Number(await page.locator(".topology-canvas").getAttribute("data-revision"));
}

/** Something that two pictures differ in when they are not drawn alike. */
export async function pixels(page) {
  return page.evaluate(
    () =>
      new Promise((resolve) =>
        requestAnimationFrame(() =>
          requestAnimationFrame(() => resolve(document.querySelector(".topology-canvas").toDataURL("image/png"))),
        ),
      ),
  );
}

/** Where everything is drawn, by id: corners of the boxes of regions and sites, and of the nodes' slots. */
export async function positions(page) {
  return page.evaluate(() => {
    const { layout, topology } = document.querySelector(".topology-canvas").picture;
    const places = {};
    const corner = (box) => [box.x, box.y, box.width, box.height].join(" ");
    for (const [table, boxesOf] of [
      [topology.regions, (row) => layout.boxesOfRegion(row)],
      [topology.sites, (row) => layout.siteBoxes[row] ?? []],
    ]) {
      // A further box may come; the first one stays.
      table.ids.forEach((id, row) => id !== "" && (places[id] = corner(boxesOf(row)[0])));
    }
    topology.nodes.ids.forEach((id, row) => id !== "" && (places[id] = `${layout.nodeX[row]} ${layout.nodeY[row]}`));
    return places;
  });
}

/** Names of the sites within so many links of those whose name begins so, by the page's own links. */
export async function sitesWithinHops(page, beginning, hops) {
  return page.evaluate(
    ([start, most]) => {
      const { topology } = document.querySelector(".topology-canvas").picture;
      const { sites, links } = topology;
      const reached = new Set();
      sites.titles.forEach((title, row) => sites.has(row) && title.toLowerCase().includes(start) && reached.add(row));
      for (let hop = 0; hop < most; hop += 1) {
        const before = new Set(reached);
        for (let row = 0; row < links.limit; row += 1) {
          if (!links.has(row) || links.state[row] !== 0) continue;
          if (before.has(links.from[row])) reached.add(links.to[row]);
          if (before.has(links.to[row])) reached.add(links.from[row]);
        }
      }
      return [...reached].map((row) => sites.names[row]).sort();
    },
    [beginning.toLowerCase(), hops],
  );
}
