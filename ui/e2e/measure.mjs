// The topology page in a Chromium without a GPU, measured. One JSON object a line is asked on standard input, and one is
// answered for each:
//
//   {"do": "open", "browser", "origin", "signIn", "width", "height"}    a browser, signed in
//   {"do": "first", "times", "settleMs"}               navigations with empty caches: {"firstMs": [...], "scripts": [...]}
//   {"do": "page", "query"}                            the page that the following look at, once its picture is there
//   {"do": "still", "seconds"}, {"do": "moving", "seconds"}
//       frames, the main thread and what became visible: {"frames", "meanMs", "p95Ms", "longestMs", "busy", "moves",
//       "visible": [[revision, ms of the wall clock], ...]}; "moving" drags and zooms with a pointer all the while
//   {"do": "heap"}         after a collection, typed arrays among it: {"heapMb", "elements", "listeners"}
//
// With "profile": PATH a `still` or `moving` writes a CPU profile there; its figures are then not to be quoted.
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { gzipSync } from "node:zlib";

import { openBrowser } from "./browser.mjs";

const MARK = "topology-first-picture";
const FRAME_MS = 1000 / 60;

let opened;
let origin;
let cookies;
let page;
let session;

const acts = {
  async open(asked) {
    origin = asked.origin;
    const { width = 1280, height = 800 } = asked;
    opened = await openBrowser({ executablePath: asked.browser, origin, width, height });
    const context = await opened.newContext();
    const first = await context.newPage();
    await first.goto(asked.signIn);
    await first.waitForURL((url) => !url.pathname.startsWith("/auth"));
    cookies = await context.cookies();
    await context.close();
    return { version: opened.browser.version() };
  },

  async first({ times, settleMs = 1500 }) {
    const firstMs = [];
    let scripts = [];
    for (let time = 0; time < times; time += 1) {
      // A context of its own has empty caches: a first visit.
      const context = await signedIn();
      const visited = await context.newPage();
      const loaded = [];
      visited.on("response", (response) => {
        if (response.request().resourceType() === "script") loaded.push(response);
      });
      await visited.goto(`${origin}/topology`);
      firstMs.push(await firstPicture(visited));
      await visited.waitForTimeout(settleMs);
      scripts = await Promise.all(
        loaded.map(async (response) => {
          const body = await response.body();
          return { url: response.url(), bytes: body.length, gzip: gzipSync(body).length };
        }),
      );
      await context.close();
    }
    return { firstMs, scripts };
  },

  async page({ query = "" }) {
    await page?.context().close();
    const context = await signedIn();
    page = await context.newPage();
    session = await context.newCDPSession(page);
    await session.send("Performance.enable");
    await page.goto(`${origin}/topology${query}`);
    const firstMs = await firstPicture(page);
    return { firstMs, ...(await page.evaluate(() => ({ width: innerWidth, height: innerHeight }))) };
  },

  still: ({ seconds, profile }) => watched(seconds, profile, () => page.waitForTimeout(seconds * 1000)),

  moving: ({ seconds, profile }) => watched(seconds, profile, () => journey(seconds * 1000)),

  async heap() {
    await session.send("HeapProfiler.enable");
    await session.send("HeapProfiler.collectGarbage");
    await session.send("HeapProfiler.disable");
    const { usedSize, embedderHeapUsedSize, backingStorageSize } = await session.send("Runtime.getHeapUsage");
    const heapMb = (usedSize + (embedderHeapUsedSize ?? 0) + (backingStorageSize ?? 0)) / 1e6;
    const now = await metrics();
    return { heapMb, elements: now.Nodes, listeners: now.JSEventListeners };
  },
};

async function signedIn() {
  const context = await opened.newContext();
  await context.addCookies(cookies);
  return context;
}

/** Ms from the start of the navigation until the page had drawn its first picture. */
async function firstPicture(visited) {
  const end = Date.now() + 60_000;
  for (;;) {
    const at = await visited.evaluate((mark) => performance.getEntriesByName(mark)[0]?.startTime ?? null, MARK);
    if (at !== null) return at;
    if (Date.now() > end) throw new Error(`no picture within a minute; the page says: ${await visited.innerText("body")}`);
    await visited.waitForTimeout(50);
  }
}

async function metrics() {
  const { metrics: found } = await session.send("Performance.getMetrics");
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
}

/** Looks at the page while something is done. */
async function watched(seconds, profile, act) {
  await page.evaluate(() => {
    const seen = { frames: [], visible: [], on: true };
    window.seenByMeasure = seen;
    requestAnimationFrame(function frame(now) {
      seen.frames.push(now);
      if (seen.on) requestAnimationFrame(frame);
    });
    const canvas = document.querySelector("canvas.topology-canvas");
    seen.observer = new MutationObserver(() => {
      const revision = Number(canvas.dataset.revision);
      if (revision !== seen.visible.at(-1)?.[0]) seen.visible.push([revision, performance.timeOrigin + performance.now()]);
    });
    seen.observer.observe(canvas, { attributes: true, attributeFilter: ["data-revision"] });
    seen.camera = canvas.picture?.camera.version ?? 0;
  });
  if (profile) {
    await session.send("Profiler.enable");
    await session.send("Profiler.setSamplingInterval", { interval: 200 });
    await session.send("Profiler.start");
  }
  const before = await metrics();
  await act();
  const after = await metrics();
  if (profile) {
    const { profile: taken } = await session.send("Profiler.stop");
    await session.send("Profiler.disable");
    await writeFile(profile, JSON.stringify(taken));
  }
  const { frames, visible, moves } = await page.evaluate(() => {
    const { seenByMeasure: seen } = window;
    seen.on = false;
    seen.observer.disconnect();
    const canvas = document.querySelector("canvas.topology-canvas");
    return { frames: seen.frames, visible: seen.visible, moves: (canvas.picture?.camera.version ?? 0) - seen.camera };
  });
  const intervals = frames.slice(1).map((at, index) => at - frames[index]);
  const ordered = [...intervals].sort((a, b) => a - b);
  const wall = after.Timestamp - before.Timestamp;
  return {
    frames: frames.length,
    meanMs: intervals.reduce((sum, each) => sum + each, 0) / intervals.length,
    p95Ms: ordered[Math.ceil(ordered.length * 0.95) - 1],
    longestMs: ordered.at(-1),
    busy: (after.TaskDuration - before.TaskDuration) / wall,
    busyScript: (after.ScriptDuration - before.ScriptDuration) / wall,
    moves,
    seconds: wall,
    visible,
  };
}

/**
 * What a person does who looks around: drags over the whole, zooms in where the pointer is until names can be read, drags
 * there, and zooms out again. As real input, one step about every frame.
 */
async function journey(forMs) {
  const end = performance.now() + forMs;
  const box = await page.locator("canvas.topology-canvas").boundingBox();
  const [midX, midY] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.locator("canvas.topology-canvas").focus();
  await page.keyboard.press("0");
  let [step, began, unanswered, failed] = [0, performance.now(), 0, null];
  // Sixty a second, as a pointer gives them; a page that does not keep up is not flooded.
  const send = async (event) => {
    unanswered += 1;
    session
      .send("Input.dispatchMouseEvent", event)
      .catch((error) => (failed ??= error))
      .finally(() => (unanswered -= 1));
    step += 1;
    do {
      const wait = Math.max(began + step * FRAME_MS - performance.now(), unanswered > 3 ? 1 : 0);
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    } while (unanswered > 3);
    if (failed !== null) throw failed;
    step = Math.max(step, Math.floor((performance.now() - began) / FRAME_MS));
    return performance.now() < end;
  };
  const button = { button: "left", clickCount: 1 };
  const drag = async (steps) => {
    let [x, y] = [midX, midY];
    await send({ type: "mousePressed", x, y, ...button });
    for (let at = 1; at <= steps; at += 1) {
      const angle = (at / steps) * Math.PI * 2;
      [x, y] = [midX + Math.sin(angle) * box.width * 0.3, midY + (1 - Math.cos(angle)) * box.height * 0.2];
      if (!(await send({ type: "mouseMoved", x, y, buttons: 1, ...button }))) break;
    }
    await send({ type: "mouseReleased", x, y, ...button });
  };
  const wheel = async (steps, deltaY) => {
    for (let at = 0; at < steps; at += 1) {
      if (!(await send({ type: "mouseWheel", x: midX, y: midY, deltaX: 0, deltaY }))) return;
    }
  };
  while (performance.now() < end) {
    await drag(90);
    for (let level = 0; level < 4; level += 1) {
      await wheel(30, -27);
      await drag(60);
    }
    await wheel(120, 27);
    await page.keyboard.press("0");
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const asked = JSON.parse(line);
    const answer = await acts[asked.do](asked);
    console.log(JSON.stringify({ ...answer, problems: opened.problems }));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error?.stack ?? error) }));
  }
}
await opened?.close();
