// The dashboard's entry. It asks who is signed in before anything else is loaded: a caller without a session is sent to
// sign in at once, and comes back to the address that was asked for.

import "./tokens.css";
import "./shell.css";

import { createRoot } from "react-dom/client";

import { createSocket, execute } from "../api/graphql";
import { SignedOut, signInUrl, VIEWER_QUERY, type Viewer, viewerFrom } from "../api/session";
import { TopologyFeed } from "../live/feed";
import { Topology } from "../live/topology";
import { Live } from "../live/useTopology";
import { App } from "./App";

/** Where the browser goes to sign in, and comes back from. */
function signIn(): void {
  location.replace(signInUrl(location.pathname + location.search));
}

async function start(root: HTMLElement): Promise<void> {
  const topology = new Topology();
  const feed = new TopologyFeed({ client: createSocket(location.origin, { retryAttempts: 0 }), topology });
  feed.listen(() => {
    if (feed.status === "signed-out") signIn();
  });
  // The picture is on its way while the viewer is asked for.
  void feed.run();
  let viewer: Viewer | null = null;
  try {
    viewer = viewerFrom((await execute({ query: VIEWER_QUERY })).data);
  } catch (error) {
    if (error instanceof SignedOut) return signIn();
    // The feed shows that the server is away and goes on when it is back; the name is no reason to stop.
    console.warn("The viewer could not be read", error);
  }
  createRoot(root).render(<App viewer={viewer} live={new Live(topology, feed)} />);
}

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
void start(root);
