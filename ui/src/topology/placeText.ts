// A thing in words: what a pointer and a screen reader are told of it.

import { STATE_COUNT, STATE_KEYS, STATES } from "../live/states";
import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";
import { count, t } from "../messages";
import { latency } from "./canvas/links";

/** The name for people. */
export function nameOf(topology: Topology, { kind, row }: Place): string {
  switch (kind) {
    case "region":
      return topology.regions.titles[row] ?? "";
    case "site":
      return topology.sites.titles[row] ?? "";
    case "node":
      return topology.nodes.names[row] ?? "";
    case "instance":
      return topology.instances.names[row] ?? "";
    case "link": {
      const ends = [topology.links.from[row] as number, topology.links.to[row] as number];
      return ends.map((site) => topology.sites.titles[site] ?? "?").join(" – ");
    }
  }
}

/** The state in a word; for a waypoint, what it is. */
export function stateOf(topology: Topology, { kind, row }: Place): string {
  switch (kind) {
    case "region":
      return countsInWords(topology.regions.nodeCounts, row);
    case "site":
      return topology.sites.transit[row] === 1 ? t.topology.waypoint : word(topology.sites.state[row]);
    case "node":
      return word(topology.nodes.state[row]);
    case "instance":
      return word(topology.instances.state[row]);
    case "link":
      return `${latency(topology.links.latencyMs[row] as number)}, ${word(topology.links.state[row])}`;
  }
}

/** A name, its state and its counts on one line. */
export function titleOf(topology: Topology, place: Place): string {
  const counts = place.kind === "site" ? countsInWords(topology.sites.nodeCounts, place.row) : "";
  return [nameOf(topology, place), stateOf(topology, place), counts].filter((part) => part !== "").join(" · ");
}

/** `12 ready, 1 down`: every state that there is. */
export function countsInWords(counts: Int32Array, row: number): string {
  return STATES.flatMap((state) => {
    const many = counts[row * STATE_COUNT + state] as number;
    return many > 0 ? [`${count(many)} ${t.states[STATE_KEYS[state]].toLowerCase()}`] : [];
  }).join(", ");
}

function word(state: number | undefined): string {
  const key = STATE_KEYS[state ?? 3];
  return key === undefined ? "" : t.states[key];
}
