// What an expression finds in the live picture, as one byte a row: canvases look a row up in it while they draw.
//
// A word about a place (site:, region:) holds for what is in that place too. Free text holds for a thing whose own name
// or whose site's name has it. Found regions are those that match themselves; a region or site that only holds something
// found is told apart, so that a tree can lead to it.

import type { PictureKind } from "../live/tables";
import type { Topology } from "../live/topology";
import type { Expression, Term } from "./expression";
import { within } from "./within";

/** 1 for a row that is found. */
export interface Match {
  readonly regions: Uint8Array;
  readonly sites: Uint8Array;
  readonly nodes: Uint8Array;
  readonly links: Uint8Array;
  readonly instances: Uint8Array;
  /** Sites in which something is found, themselves included; and regions likewise, all the way up. */
  readonly leadingSites: Uint8Array;
  readonly leadingRegions: Uint8Array;
  /** How many of each are found. */
  readonly counts: Readonly<Record<PictureKind, number>>;
}

type Test = (row: number) => boolean;

/** What is found now; null when the expression asks for nothing, so that everything is shown as it is. */
export function match(expression: Expression, topology: Topology): Match | null {
  const { terms } = expression;
  if (terms.length === 0 && expression.within === null) return null;
  const { regions, sites, nodes, instances } = topology;
  const found = expression.within === null ? finding(topology, terms) : widened(topology, expression);
  const leadingSites = found.sites.slice();
  for (let row = 0; row < nodes.limit; row += 1) mark(leadingSites, nodes.site[row] as number, found.nodes[row] === 1);
  for (let row = 0; row < instances.limit; row += 1) {
    mark(leadingSites, instances.site[row] as number, found.instances[row] === 1);
  }
  const leadingRegions = found.regions.slice();
  const lead = (region: number) => {
    for (let at = region, guard = 0; at >= 0 && guard < 64; at = regions.parent[at] as number, guard += 1) {
      leadingRegions[at] = 1;
    }
  };
  for (let row = 0; row < sites.limit; row += 1) if (leadingSites[row] === 1) lead(sites.region[row] as number);
  for (let row = 0; row < regions.limit; row += 1) if (found.regions[row] === 1) lead(regions.parent[row] as number);
  return {
    ...found,
    leadingSites,
    leadingRegions,
    counts: {
      region: sum(found.regions),
      site: sum(found.sites),
      node: sum(found.nodes),
      link: sum(found.links),
      instance: sum(found.instances),
    },
  };
}

type Found = { regions: Uint8Array; sites: Uint8Array; nodes: Uint8Array; links: Uint8Array; instances: Uint8Array };

/** What all of some terms hold for. */
function finding(topology: Topology, terms: readonly Term[]): Found {
  const { regions, sites, nodes, links, instances } = topology;
  const places = new Places(topology);
  return {
    regions: run(regions.limit, (row) => regions.has(row), terms.map((term) => places.ofRegion(term))),
    sites: run(sites.limit, (row) => sites.has(row), terms.map((term) => places.ofSite(term))),
    nodes: run(nodes.limit, (row) => nodes.has(row), terms.map((term) => places.ofNode(term))),
    links: run(links.limit, (row) => links.has(row), terms.map((term) => places.ofLink(term))),
    instances: run(instances.limit, (row) => instances.has(row), terms.map((term) => places.ofInstance(term))),
  };
}

/**
 * Whether a word still holds for what a distance takes in. Words say where to begin (`site:vienna`, `state:down`); what is
 * near has not to be called the same. But a kind is what one wants to see, and what was excluded stays so.
 */
export function holdsAround(term: Term): boolean {
  return term.not || term.field === "kind";
}

/** The sites within the expression's distance of what its words find, of whatever kind that is; it must have a distance. */
export function sitesNear(topology: Topology, expression: Expression): Uint8Array {
  return near(topology, expression, begun(topology, expression));
}

/** What a distance is measured from: a kind says what is wanted of what is near, not where to begin. */
function begun(topology: Topology, { terms }: Expression): Found {
  return finding(topology, terms.filter((term) => term.field !== "kind"));
}

function near(topology: Topology, expression: Expression, found: Found): Uint8Array {
  const { nodes, instances } = topology;
  const from = found.sites.slice();
  for (let row = 0; row < nodes.limit; row += 1) mark(from, nodes.site[row] as number, found.nodes[row] === 1);
  for (let row = 0; row < instances.limit; row += 1) mark(from, instances.site[row] as number, found.instances[row] === 1);
  return expression.within === null ? from : within(topology, from, expression.within);
}

/** All sites near to the found ones, with their nodes, instances, and the links between them. */
function widened(topology: Topology, expression: Expression): Found {
  const { sites, nodes, links, instances } = topology;
  const found = begun(topology, expression);
  const around = near(topology, expression, found);
  const at = (site: number) => site >= 0 && around[site] === 1;
  for (let row = 0; row < sites.limit; row += 1) if (at(row)) found.sites[row] = 1;
  for (let row = 0; row < nodes.limit; row += 1) {
    if (nodes.has(row) && at(nodes.site[row] as number)) found.nodes[row] = 1;
  }
  for (let row = 0; row < instances.limit; row += 1) {
    if (instances.has(row) && at(instances.site[row] as number)) found.instances[row] = 1;
  }
  for (let row = 0; row < links.limit; row += 1) {
    if (links.has(row) && at(links.from[row] as number) && at(links.to[row] as number)) found.links[row] = 1;
  }
  const kept = finding(topology, expression.terms.filter(holdsAround));
  both(found.regions, kept.regions);
  both(found.sites, kept.sites);
  both(found.nodes, kept.nodes);
  both(found.links, kept.links);
  both(found.instances, kept.instances);
  return found;
}

function both(rows: Uint8Array, others: Uint8Array): void {
  for (let row = 0; row < rows.length; row += 1) if (others[row] !== 1) rows[row] = 0;
}

/** Tests of rows by term; what a place's name decides is worked out once a place. */
class Places {
  constructor(private readonly topology: Topology) {}

  ofRegion(term: Term): Test {
    const { regions } = this.topology;
    return positive(term, () => {
      switch (term.field) {
        case "text":
          return (row) => holds(regions.names[row], term.value) || holds(regions.titles[row], term.value);
        case "region":
          return this.inRegion(term.value);
        case "kind":
          return () => term.value === "region";
        case "label":
          return (row) => hasLabel(regions.labels[row], term.key, term.value);
        default:
          return never;
      }
    });
  }

  ofSite(term: Term): Test {
    const { sites } = this.topology;
    return positive(term, () => {
      switch (term.field) {
        case "text":
        case "site":
          return (row) => holds(sites.names[row], term.value) || holds(sites.titles[row], term.value);
        case "region":
          return byRegion(this.inRegion(term.value), sites.region);
        case "kind":
          return () => term.value === "site";
        case "state":
          return (row) => sites.state[row] === term.value && sites.transit[row] === 0;
        case "tier":
          return (row) => sites.tiers[row]?.toLowerCase() === term.value;
        case "role":
          return (row) => (sites.transit[row] === 1 ? "transit" : "compute") === term.value;
        case "label":
          return (row) => hasLabel(sites.labels[row], term.key, term.value);
        case "arch":
          return never;
      }
    });
  }

  ofNode(term: Term): Test {
    const { nodes } = this.topology;
    const atSite = () => this.atSite(term, nodes.site);
    return positive(term, () => {
      switch (term.field) {
        case "text": {
          const site = atSite();
          return (row) => holds(nodes.names[row], term.value) || site(row);
        }
        case "kind":
          return () => term.value === "node";
        case "state":
          return (row) => nodes.state[row] === term.value;
        case "arch":
          return (row) => nodes.arches[row]?.toLowerCase() === term.value;
        case "label":
          return (row) => hasLabel(nodes.labels[row], term.key, term.value);
        default:
          return atSite();
      }
    });
  }

  ofInstance(term: Term): Test {
    const { instances } = this.topology;
    const atSite = () => this.atSite(term, instances.site);
    return positive(term, () => {
      switch (term.field) {
        case "text": {
          const site = atSite();
          return (row) => holds(instances.names[row], term.value) || site(row);
        }
        case "kind":
          return () => term.value === "instance";
        case "state":
          return (row) => instances.state[row] === term.value;
        case "arch":
        case "label":
          return never;
        default:
          return atSite();
      }
    });
  }

  ofLink(term: Term): Test {
    const { links } = this.topology;
    return positive(term, () => {
      switch (term.field) {
        case "kind":
          return () => term.value === "link";
        case "state":
          return (row) => links.state[row] === term.value;
        case "arch":
        case "label":
          return never;
        default: {
          // A link belongs to both its ends.
          const from = this.atSite(term, links.from);
          const to = this.atSite(term, links.to);
          return (row) => from(row) || to(row);
        }
      }
    });
  }

  /** A test of rows by the site that each is at. */
  private atSite(term: Term, siteOf: Int32Array): Test {
    const { sites } = this.topology;
    const test = this.ofSite({ ...term, not: false });
    const bySite = run(sites.limit, (row) => sites.has(row), [test]);
    return (row) => bySite[siteOf[row] as number] === 1;
  }

  private inRegion(name: string): Test {
    const { regions } = this.topology;
    const inside = new Uint8Array(regions.limit);
    for (let row = 0; row < regions.limit; row += 1) {
      for (let at = row, guard = 0; at >= 0 && guard < 64; at = regions.parent[at] as number, guard += 1) {
        if (holds(regions.names[at], name) || holds(regions.titles[at], name)) inside[row] = 1;
      }
    }
    return (row) => inside[row] === 1;
  }
}

const never: Test = () => false;

function positive(term: Term, make: () => Test): Test {
  const test = make();
  return term.not ? (row) => !test(row) : test;
}

function byRegion(test: Test, regionOf: Int32Array): Test {
  return (row) => (regionOf[row] as number) >= 0 && test(regionOf[row] as number);
}

function run(limit: number, has: Test, tests: readonly Test[]): Uint8Array {
  const found = new Uint8Array(limit);
  for (let row = 0; row < limit; row += 1) if (has(row) && tests.every((test) => test(row))) found[row] = 1;
  return found;
}

function holds(text: string | undefined, part: string): boolean {
  return text !== undefined && text.toLowerCase().includes(part);
}

/** Whether labels as the columns have them (`key=value,key=value`) hold one. */
function hasLabel(labels: string | undefined, key: string, value: string | null): boolean {
  if (labels === undefined || labels === "") return false;
  return labels.split(",").some((label) => (value === null ? label.startsWith(`${key}=`) : label === `${key}=${value}`));
}

function mark(rows: Uint8Array, row: number, holdsTrue: boolean): void {
  if (holdsTrue && row >= 0) rows[row] = 1;
}

function sum(rows: Uint8Array): number {
  let total = 0;
  for (const each of rows) total += each;
  return total;
}

