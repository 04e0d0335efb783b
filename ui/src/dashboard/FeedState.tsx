// How current the picture is: the connection, the graph's revision, and its age as soon as it is one to know about.

import { useEffect, useState } from "react";

import { useTopology } from "../live/useTopology";
import { t } from "../messages";

/** Silence of so many ms is longer than the server's heartbeats are apart (15 s), twice over. */
const STALE_AFTER_MS = 35_000;

export function FeedState() {
  const { topology, feed } = useTopology();
  const age = useAge(feed.heardAt);
  const stale = feed.heardAt > 0 && (age > STALE_AFTER_MS || feed.status === "reconnecting");
  const seconds = Math.round(age / 1000);
  return (
    <span className="feed" data-status={feed.status} title={feed.heardAt > 0 ? t.shell.heard(seconds) : undefined}>
      <span role="status">
        <i aria-hidden="true" className="dot" />
        {t.shell.feed[feed.status]}
      </span>
      {topology.revision > 0 && <span className="revision">{t.shell.revision(topology.revision)}</span>}
      {/* Not read out by itself: the word before it is, and this one changes each second. */}
      {stale && <strong className="stale">{t.shell.stale(seconds)}</strong>}
      {feed.problem !== null && <strong role="alert">{feed.problem}</strong>}
    </span>
  );
}

/** Milliseconds since a moment of `performance.now()`, read once a second. */
function useAge(since: number): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, now - since);
}
