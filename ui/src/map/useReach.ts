// The deployments whose reach can be shown, and the reach of one, asked again while one looks.

import { useEffect, useState } from "react";

import { ask } from "../api/client";
import { graphql } from "../api/gql";
import { type Decided, type Reach, reachOf } from "./reach";

const DEPLOYMENTS = graphql(`
  query ReachChoices {
    deployments(first: 200) {
      nodes {
        id
        name
        phase
      }
    }
  }
`);

const DECIDED = graphql(`
  query ReachDecided($id: ID!) {
    deployment(id: $id) {
      name
      policy {
        latency {
          place {
            name
            position {
              longitude
              latitude
            }
            site {
              name
              position {
                longitude
                latitude
              }
            }
            region {
              name
              centre {
                longitude
                latitude
              }
            }
          }
        }
      }
      decision {
        placements {
          site {
            id
          }
          serves {
            place
            latencyMs
            withinMs
            withinKm
          }
        }
      }
    }
  }
`);

const RUNS_AT = graphql(`
  query ReachRunsAt($id: ID!, $after: String) {
    deployment(id: $id) {
      releases(first: 200, after: $after) {
        nodes {
          site {
            id
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

const AGAIN_MS = 5_000;
const MOST_PAGES = 50;

export interface Choice {
  readonly id: string;
  readonly name: string;
}

/** The deployments that the viewer may see. */
export function useDeployments(): readonly Choice[] {
  const [found, setFound] = useState<readonly Choice[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    ask(DEPLOYMENTS, {}, stop.signal)
      .then((data) => setFound(data.deployments.nodes))
      .catch((error: unknown) => {
        if (!stop.signal.aborted) console.warn("The deployments could not be read", error);
      });
    return () => stop.abort();
  }, []);
  return found;
}

/** How far a deployment reaches; null while that is not known. */
export function useReach(id: string): { readonly reach: Reach | null; readonly failed: boolean } {
  const [reach, setReach] = useState<Reach | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    setReach(null);
    setFailed(false);
    if (id === "") return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async () => {
      try {
        setReach(await readReach(id, stop.signal));
        setFailed(false);
      } catch {
        if (!stop.signal.aborted) setFailed(true);
      }
      if (!stop.signal.aborted) timer = setTimeout(() => void read(), AGAIN_MS);
    };
    void read();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [id]);
  return { reach, failed };
}

async function readReach(id: string, signal: AbortSignal): Promise<Reach | null> {
  const { deployment }: { deployment: Decided | null } = await ask(DECIDED, { id }, signal);
  if (deployment === null) return null;
  const runsAt = new Set<string>();
  let after: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { deployment: runs }: { deployment: RunsPage | null } = await ask(RUNS_AT, { id, after }, signal);
    if (runs === null) return null;
    for (const { site } of runs.releases.nodes) if (site) runsAt.add(site.id);
    after = runs.releases.pageInfo.endCursor;
    if (!runs.releases.pageInfo.hasNextPage) break;
  }
  return reachOf(deployment, runsAt);
}

interface RunsPage {
  readonly releases: {
    readonly nodes: readonly { readonly site: { readonly id: string } | null }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}
