import { counted } from "./counted";

export const map = {
  title: "Map",
  picture: "Map of sites and links",
  pictureHelp:
    "Arrow keys move, plus and minus zoom, 0 shows all sites, Escape lets go of what is selected. The tree of the topology page holds the same sites and can be read out.",
  unplaced: (many: number) => `${counted(many, "site")} without a position, not on the map.`,
  cluster: (many: string) => `${many} sites here. Click to come nearer.`,
  links: "Links",
  reach: "Reach of a deployment",
  noReach: "None",
  runsHere: "runs here",
  reachOf: (name: string, sites: number) => `${name} runs at ${counted(sites, "site")}`,
  reachFailed: "The deployment's sites could not be read.",
  empty: "No site has a position yet.",
  emptyRemedy: "Import a network with positions, or give sites a position.",
  waypoints: "Waypoints",
} as const;
