// The sites at which a deployment runs, or is to run, asked again when the graph has moved while one looks.

import { useEffect, useState } from "react";

import { ask } from "../api/client";
import { graphql } from "../api/gql";

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

const REACH = graphql(`
  query Reach($id: ID!, $after: String) {
    deployment(id: $id) {
      name
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

export interface Reach {
  readonly name: string;
  readonly siteIds: readonly string[];
}

/** Where a deployment runs; null while that is not known. */
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
  const siteIds = new Set<string>();
  let after: string | null = null;
  let name = "";
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { deployment }: { deployment: DeploymentPage | null } = await ask(REACH, { id, after }, signal);
    if (deployment === null) return null;
    name = deployment.name;
    for (const { site } of deployment.releases.nodes) if (site) siteIds.add(site.id);
    after = deployment.releases.pageInfo.endCursor;
    if (!deployment.releases.pageInfo.hasNextPage) break;
  }
  return { name, siteIds: [...siteIds] };
}

interface DeploymentPage {
  readonly name: string;
  readonly releases: {
    readonly nodes: readonly { readonly site: { readonly id: string } | null }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}
