// From page to page: the picture opens whole, and whoever goes elsewhere and comes back finds everything as it was. And the
// map as one uses it: by its tree, to see what a deployment reaches, and to take a picture of it away.
import { readFile } from "node:fs/promises";

import { allIsWell, siteNamed } from "../demo.mjs";
import { check, eventually, query, same } from "../story.mjs";
import { camera, cameraAtRest, positions, treeItem } from "../topology-page.mjs";

const LOADS = 10;
const BAND_PX = 30;

export async function tell(story) {
  const { page, context } = story;
  await story.signIn();
  await allIsWell(story);
  const vienna = await siteNamed(story, "Vienna");
  const { deployments } = await story.ask('{ deployments(first: 1, filter: { name: { eq: "arena" } }) { nodes { id } } }');

  await story.step(`the picture opens whole, ${LOADS} times of ${LOADS}`, async () => {
    for (let time = 1; time <= LOADS; time += 1) {
      // A tab of its own has not looked from anywhere yet.
      const tab = await context.newPage();
      await story.goTo("/topology", tab);
      const { scale, fitScale } = await tab.evaluate(() => {
        const { camera } = document.querySelector(".topology-canvas").picture;
        return { scale: camera.scale, fitScale: camera.fitScale };
      });
      same(scale, fitScale, `the scale the ${time}. time`);
      check(scale > 0.05, `${scale} pixels a unit`);
      await tab.close();
    }
  });

  await story.step("the topology is as it was after a look at a list, by the bar and by going back", async () => {
    const box = await page.locator(".topology-canvas").boundingBox();
    await page.mouse.move(box.x + box.width / 3, box.y + box.height / 2);
    await page.mouse.wheel(0, -500);
    const [view, places] = [await cameraAtRest(page), await positions(page)];
    await page.locator('[role="treeitem"]', { hasText: "Austria" }).locator(".tree-twist").click();
    await page.locator('[role="treeitem"]', { hasText: "Graz" }).waitFor();
    await page.locator(".tree").evaluate((tree) => tree.scrollTo(0, 60));
    for (const back of [() => page.goBack(), () => page.getByRole("link", { name: "Topology", exact: true }).click()]) {
      await page.getByRole("link", { name: "Inventory" }).click();
      await page.locator(".list-kinds").waitFor();
      await back();
      await story.live();
      same(await camera(page), view, "where one looks from");
      same(await positions(page), places, "where everything is");
      await page.locator('[role="treeitem"]', { hasText: "Graz" }).waitFor();
      await eventually(() => page.locator(".tree").evaluate((tree) => tree.scrollTop), (top) => top === 60, "the tree stands where it stood");
    }
  });

  await story.step("the map is as it was after a look at another page", async () => {
    await page.getByRole("link", { name: "Map", exact: true }).click();
    await story.live();
    await page.getByText("Waypoints", { exact: true }).click();
    const box = await page.locator(".topology-canvas").boundingBox();
    await page.mouse.move(box.x + box.width / 3, box.y + box.height / 2);
    const before = await mapView(page);
    await page.mouse.wheel(0, -500);
    const view = await eventually(() => mapView(page), (now) => now.scale > before.scale, "the wheel comes nearer");
    await page.getByRole("link", { name: "Inventory" }).click();
    await page.locator(".list-kinds").waitFor();
    await page.getByRole("link", { name: "Map", exact: true }).click();
    await story.live();
    same(await mapView(page), view, "where one looks from");
    check(await page.getByRole("checkbox", { name: "Waypoints" }).isChecked(), "waypoints are not shown any more");
    await page.getByText("Waypoints", { exact: true }).click();
  });

  await story.step("the map has the tree: Enter there, and Show it, come to the site", async () => {
    await story.goTo("/map?find=site:vienna");
    const before = await mapView(page);
    await treeItem(page, vienna.id).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.searchParams.get("select") === vienna.id);
    await eventually(() => mapView(page), (now) => now.scale > before.scale, "Enter comes nearer");
    await inTheMiddle("after Enter");
    await page.locator(".topology-canvas").focus();
    await page.keyboard.press("0");
    await page.getByRole("button", { name: "Show it" }).click();
    await inTheMiddle("after Show it");
  });

  await story.step("the reach of a deployment is shown with the places that it serves, each with its latency", async () => {
    await story.goTo("/map");
    await page.getByRole("combobox", { name: "Reach of a deployment" }).selectOption(deployments.nodes[0].id);
    await page.locator(".topology-summary", { hasText: /arena runs at \d+ sites?, serves 5 places, at most [\d.]+ ms away/ }).waitFor();
    const served = await page.locator(".map-reach-list ul ul li").allInnerTexts();
    const names = served.map((each) => each.split(":")[0]).sort();
    same(names, ["Lille", "Milano", "Stockholm", "Vienna", "Zaragoza"], "the places that are served");
    check(served.every((each) => /: [\d.]+ ms of at most 5.0 ms/.test(each)), served.join("; "));
    same(query(page, "reach"), deployments.nodes[0].id, "the address");
  });

  await story.step("the map can be taken away as PNG, with its legend, revision and time below", async () => {
    const size = await page.locator(".topology-canvas").evaluate((canvas) => [canvas.width, canvas.height]);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /PNG/ }).click()]);
    check(/^map-\d+\.png$/.test(file.suggestedFilename()), file.suggestedFilename());
    const bytes = await readFile(await file.path());
    same(bytes.readUInt32BE(16), size[0], "the width of the picture");
    check(bytes.readUInt32BE(20) > size[1] + BAND_PX, `${bytes.readUInt32BE(20)} pixels high, ${size[1]} on the page`);
  });

  async function inTheMiddle(when) {
    const away = () =>
      page.evaluate((id) => {
        const canvas = document.querySelector(".topology-canvas");
        const { stage, painter } = canvas.map;
        const { topology } = painter;
        const row = topology.sites.rowOf(id);
        const { view } = stage;
        const [x, y] = [painter.points[row * 2] * view.scale + view.x, painter.points[row * 2 + 1] * view.scale + view.y];
        return Math.hypot(x - canvas.clientWidth / 2, y - canvas.clientHeight / 2);
      }, vienna.id);
    await eventually(away, (pixels) => pixels < 2, `Vienna is in the middle ${when}`);
  }
}

/** From where one looks at the map, once it is drawn. */
async function mapView(page) {
  await page.locator(".map .topology-canvas[data-revision]").waitFor();
  return page.evaluate(() => ({ ...document.querySelector(".topology-canvas").map.stage.view }));
}
