// What the chapters do to the demonstration, through the API: its simulated clusters lose and find sites and nodes, and
// answer more slowly, as their configuration says.
import { eventually } from "./story.mjs";

const CLUSTERS = "{ clusters(first: 50) { nodes { id configuration } } }";
const CONFIGURE = `mutation($id: ID!, $configuration: JSON) {
  updateCluster(input: { id: $id, configuration: $configuration }) { __typename ... on Error { code message remedy path } }
}`;

/** Changes keys of every cluster's configuration. */
export async function configure(story, changes) {
  const { clusters } = await story.ask(CLUSTERS);
  for (const { id, configuration } of clusters.nodes) {
    await story.ask(CONFIGURE, { id, configuration: { ...configuration, ...changes } });
  }
}

/**
 * Nothing is away and backends are quick and never fail, for no chapter tells of their slowness: what a chapter before may
 * have left is undone, and observed to be so.
 */
export async function allIsWell(story) {
  const backends = { latencyMs: 0, latencyJitterMs: 0, readyAfterMs: 100, readyJitterMs: 0, failureRate: 0, unreadyReplicas: 0 };
  await configure(story, { awayNodes: [], awaySites: [], ...backends });
  await eventually(
    () => story.ask("{ nodes(first: 500, filter: { status: { notIn: [READY] } }) { nodes { name cluster { name } } } }"),
    ({ nodes }) => nodes.nodes.every(({ cluster }) => cluster === null),
    "all nodes that are observed are ready",
  );
}

/** A site by its name, with what hangs on it. */
export async function siteNamed(story, name) {
  const { site } = await story.ask(
    `query($name: String) { site(name: $name) { id name health { status } nodes(first: 9) { nodes { id name } } } }`,
    { name },
  );
  return site;
}
