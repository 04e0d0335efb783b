import type { Problem } from "../../find/expression";
import { counted } from "./counted";

export const find = {
  label: "Find",
  hint: "name, kind:node, state:down, site:paris, zone=west, -exclude, within:3hops",
  shortcut: "Press / to write here",
  found: ({ site, node, link }: Readonly<Record<"site" | "node" | "link", number>>) =>
    `${counted(site, "site")}, ${counted(node, "node")}, ${counted(link, "link")} found`,
  clear: "Clear what is looked for",
  help: "What can be looked for",
  problems: {
    "unknown-kind": (word: string) => `${word}: kinds are region, site, node, link and instance`,
    "unknown-state": (word: string) => `${word}: states are ready, degraded, down, unknown and cordoned`,
    "bad-within": (word: string) => `${word}: write within:3hops or within:10ms`,
    "not-within": (word: string) => `${word}: a distance cannot be excluded`,
    empty: (word: string) => `${word} has nothing after the colon`,
  } satisfies Record<Problem["reason"], (word: string) => string>,
  words: [
    ["paris", "a name, or part of one"],
    ['"edge site"', "a name with a space"],
    ["kind:node", "region, site, node, link or instance"],
    ["state:down", "ready, degraded, down, unknown or cordoned"],
    ["site:paris", "a site and what is in it"],
    ["region:france", "a region and all that is in it"],
    ["tier:metro", "national, regional, metro or district"],
    ["role:transit", "waypoints; role:compute for the rest"],
    ["arch:arm64", "nodes of a processor architecture"],
    ["zone=west", "with that label; label=zone for any value"],
    ["-state:ready", "all but these"],
    ["within:3hops", "and what is so near to it; also within:10ms"],
  ],
} as const;
