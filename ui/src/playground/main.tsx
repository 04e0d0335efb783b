// The playground's entry. It asks who is signed in before it loads the editor: a caller without a session is sent to
// sign in at once, not after half a megabyte of script.

import "./page.css";

import { createRoot } from "react-dom/client";

import { execute } from "../api/graphql";
import { SignedOut, signInUrl, VIEWER_QUERY, type Viewer, viewerFrom } from "../api/session";
import { t } from "../messages";

async function start(root: HTMLElement): Promise<void> {
  let viewer: Viewer | null = null;
  try {
    viewer = viewerFrom((await execute({ query: VIEWER_QUERY })).data);
  } catch (error) {
    if (error instanceof SignedOut) {
      location.replace(signInUrl(location.pathname));
      return;
    }
    // The editor shows what is wrong with the server as soon as something is run; the name is no reason to stop.
    console.warn("The viewer could not be read", error);
  }
  const { Playground } = await import("./Playground");
  createRoot(root).render(<Playground viewer={viewer} />);
}

const root = document.getElementById("root");
if (!root) throw new Error("playground.html has no #root");
start(root).catch((error: unknown) => {
  console.error(error);
  root.textContent = t.playground.notLoaded;
});
