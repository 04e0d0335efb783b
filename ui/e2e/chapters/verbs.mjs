// Everything that may be asked of a deployment, pressed on its page one after the other: what the form asks back, what the
// API says afterwards, and that the page follows without a reload.
import { allIsWell } from "../demo.mjs";
import { check, eventually, isMarked, mark, same } from "../story.mjs";

const GIVEN = `{
  appVersions(first: 9, filter: { name: { startsWith: "5." } }) { nodes { id name app { name tenant { id } } } }
  sites(first: 4, orderBy: [{ field: NAME }], filter: { tier: { in: [NATIONAL, REGIONAL] }, role: { eq: COMPUTE } }) { nodes { id name displayName } }
}`;
const DEPLOY = `mutation($input: DeployInput!) { deploy(input: $input) {
  ... on DeployPayload { deployment { id } } ... on Error { code message remedy path }
} }`;
const NOW = `query($id: ID!) { entity(id: $id) { ... on Deployment {
  phase revisionNumber paused appVersion { name } overrides { component document }
  releases(first: 50) { nodes { wanted replicas component { name } site { id } } }
} } }`;

export async function tell(story) {
  const { page } = story;
  await story.signIn();
  await allIsWell(story);
  const given = await story.ask(GIVEN);
  const [from, to] = ["5.1", "5.2"].map((name) => given.appVersions.nodes.find((one) => one.name === name));
  const [one, two, third] = given.sites.nodes;
  const called = (site) => site.displayName ?? site.name;
  const policy = { sites: { siteIds: [one.id, two.id] }, everywhere: true };
  const input = { tenantId: from.app.tenant.id, appVersionId: from.id, name: "desk", policy };
  const { id } = (await story.ask(DEPLOY, { input })).deploy.deployment;
  const dialog = page.getByRole("alertdialog");

  /** What runs of it: replicas of a component by site. */
  const replicas = ({ releases }, component) =>
    Object.fromEntries(releases.nodes.filter((each) => each.wanted && each.component.name === component).map((each) => [each.site.id, each.replicas]));
  const becomes = (found, words) => eventually(async () => (await story.ask(NOW, { id })).entity, found, words);
  const ready = (found, words) => becomes((now) => now.phase === "READY" && found(now), words);
  const press = async (label, yes, fill = async () => {}) => {
    await page.getByRole("button", { name: label, exact: true }).click();
    await dialog.waitFor();
    await fill(dialog.getByRole("button", { name: yes, exact: true }));
    await dialog.getByRole("button", { name: yes, exact: true }).click();
    await dialog.waitFor({ state: "hidden" });
  };
  await ready(() => true, "it runs");
  await story.goTo(`/entity/${id}`);
  await mark(page);

  await story.step("it is scaled at all of its sites, once a number was said", async () => {
    await press("Scale…", "Scale it", async (yes) => {
      check(await yes.isDisabled(), "it can be scaled to nothing said");
      await dialog.getByLabel("relay").fill("2");
    });
    await page.getByRole("link", { name: "Follow the operation" }).waitFor();
    await ready((now) => Object.values(replicas(now, "relay")).join() === "2,2", "two relays at each site");
  });

  await story.step("one site is adjusted, and the others stay", async () => {
    await press("Adjust a site…", "Adjust it", async () => {
      await dialog.getByLabel(called(one), { exact: true }).check();
      await dialog.getByLabel("relay").fill("3");
    });
    await ready((now) => replicas(now, "relay")[one.id] === 3 && replicas(now, "relay")[two.id] === 2, "three relays at one of them");
  });

  await story.step("a site is found by its name and added", async () => {
    await press("Add sites…", "Add them", async (yes) => {
      await dialog.getByLabel("Sites with a name like").fill(called(third));
      await dialog.getByRole("button", { name: `Take ${called(third)}`, exact: true }).click();
      check(await yes.isEnabled(), "what was taken is not enough");
    });
    await ready((now) => Object.keys(replicas(now, "relay")).length === 3 && third.id in replicas(now, "match"), "it runs at a third");
  });

  await story.step("a site is removed, and no other takes its place", async () => {
    await press("Remove sites…", "Remove them", async () => {
      await eventually(() => dialog.getByRole("checkbox").count(), (many) => many === 3, "the three where it runs");
      await dialog.getByLabel(called(two), { exact: true }).check();
    });
    await ready((now) => Object.keys(replicas(now, "relay")).sort().join() === [one.id, third.id].sort().join(), "it runs at two");
  });

  await story.step("its values are written, and are there when the form is opened again", async () => {
    await press("Update…", "Update it", async () => {
      await dialog.getByLabel("match").fill("lobby: open");
    });
    await ready(({ overrides }) => overrides.some((each) => each.component === "match" && each.document === "lobby: open"), "the values");
    await page.getByRole("button", { name: "Update…", exact: true }).click();
    await eventually(() => dialog.getByLabel("match").inputValue(), (text) => text === "lobby: open", "what was written");
    await dialog.getByRole("button", { name: "Leave it as it is" }).click();
  });

  await story.step("it is migrated to another version", async () => {
    await press("Migrate…", "Migrate it", async () => {
      await dialog.getByRole("combobox", { name: "Version" }).selectOption(to.id);
    });
    await ready((now) => now.appVersion.name === to.name, "the other version runs");
  });

  await story.step("it is rolled back to what it was in the beginning", async () => {
    await press("Roll back…", "Roll it back", async () => {
      await dialog.getByRole("radio", { name: /^1: version 5\.1, became ready/ }).check();
    });
    const now = await ready(({ appVersion }) => appVersion.name === from.name, "the first version runs");
    const there = replicas(now, "relay");
    same([Object.keys(there).length, there[one.id], there[two.id]], [2, 1, 1], "relays at the first sites");
    same(now.overrides, [], "its values");
  });

  await story.step("it is paused, and resumed", async () => {
    await press("Pause…", "Pause it");
    await becomes(({ paused }) => paused, "it is paused");
    await press("Resume…", "Resume it");
    await ready(({ paused }) => !paused, "it goes on");
  });

  await story.step("it is stopped, and resumed where it ran", async () => {
    await press("Stop…", "Stop it");
    await becomes(({ phase }) => phase === "STOPPED", "it is stopped");
    await press("Resume…", "Resume it");
    await ready((now) => Object.keys(replicas(now, "relay")).length === 2, "it runs again");
  });

  await story.step("it is terminated, after a question that Escape answers with no", async () => {
    await page.getByRole("button", { name: "Terminate…" }).click();
    await dialog.waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    same((await story.ask(NOW, { id })).entity.phase, "READY", "its phase");
    await press("Terminate…", "Terminate it");
    await becomes(({ phase }) => phase === "TERMINATED", "nothing of it runs");
    await eventually(() => page.getByRole("button", { name: "Scale…" }).count(), (many) => many === 0, "what cannot be asked of it any more");
    check(await isMarked(page), "the page was loaded again");
  });
}
