// A graph with nothing in it: every page says so, and what to do.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

import { check } from "../story.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function tell(story) {
  const { page, context, origin } = story;
  await context.addInitScript(AXE);
  await story.signIn();

  const pages = [
    ["/topology", "edgeatlas import"],
    ["/map", "Import a network"],
    ["/list/sites", "There are none."],
    ["/list/deployments?find=video", "None is found"],
  ];
  for (const [path, words] of pages) {
    await story.step(`${path} says what to do`, async () => {
      await story.goTo(path);
      await page.getByText(words).first().waitFor();
      const violations = await page.evaluate(async () => (await window.axe.run()).violations.map(({ id }) => id));
      check(violations.length === 0, violations.join(", "));
    });
  }

  await story.step("so does the plain table", async () => {
    await page.goto(`${origin}/plain`);
    await page.getByText("There is no site that you may see").waitFor();
  });
}
