// The dashboard as a person uses it, one chapter at a time, against a running server with the demonstration. Arguments, as
// JSON: `chapter` (a file in chapters/), `browser` (path), `origin`, `signIn` (a link that opens a session), `failure`
// (path of a picture of the page when it fails). A chapter may ask whoever runs this to do something to the server: it
// writes `please: WORD` and reads `done`.
// Ends with 0 and one line a step, or with 1 and the reason.
import { check, Story } from "./story.mjs";

const given = JSON.parse(process.argv[2]);
const { context, tell } = await import(`./chapters/${given.chapter}.mjs`);
const story = new Story(given);
try {
  await story.begin(context);
  await tell(story);
  await story.step("no page asked anything of another origin, broke the policy, missed a file or threw", async () => {
    check(story.problems().length === 0, story.problems().join("\n"));
  });
} catch (error) {
  console.log(`FAILED: ${error.stack}`);
  for (const problem of story.problems()) console.log(problem);
  if (given.failure && story.page) {
    await story.page.screenshot({ path: given.failure }).catch(() => {});
    console.log(`picture: ${given.failure} of ${story.page.url()}`);
  }
  process.exitCode = 1;
} finally {
  await story.end();
  process.stdin.destroy();
}
