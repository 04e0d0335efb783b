import { counted } from "./counted";

export const map = {
  title: "Map",
  picture: "Map of sites and links",
  pictureHelp:
    "Arrow keys move, plus and minus zoom, 0 shows all sites, Escape lets go of what is selected. The tree beside it holds the same sites and can be read out.",
  fit: "Show all",
  noPosition: (name: string) => `${name} has no position, so the map cannot show it.`,
  unplaced: (many: number) => `${counted(many, "site")} without a position, not on the map.`,
  cluster: (many: string) => `${many} sites here. Click to come nearer.`,
  links: "Links",
  reach: "Reach of a deployment",
  reachShort: "Reach",
  noReach: "None",
  reachOf: (name: string, sites: number, places: number, worst: string) =>
    [`${name} runs at ${counted(sites, "site")}`, places > 0 ? `serves ${counted(places, "place")}, at most ${worst} away` : ""]
      .filter((part) => part !== "")
      .join(", "),
  reachTitle: (name: string) => `Reach of ${name}`,
  reachServes: (place: string, latency: string, within: string) => `${place}: ${latency} of at most ${within}`,
  reachNone: "It is asked for no place in particular.",
  reachFailed: "The deployment's sites could not be read.",
  empty: "No site has a position yet.",
  emptyRemedy: "Import a network with positions, or give sites a position.",
  waypoints: "Waypoints",
} as const;
