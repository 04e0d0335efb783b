// Where everything is drawn, in world units: regions hold regions and sites, sites hold slots, a node has a slot. No
// simulation, so nothing dances: what was placed stays where it is, and only what comes is placed.
//
// A first layout takes regions by size, sites by their ordinals, and gives a node the slot of its ordinal (of its rank, in
// a site whose ordinals have large gaps, for ordinals are never reused). All leave room: a node that comes takes a free
// slot of its site; a site that is full continues in a second box, a region that is full in a second region box, both at
// the next free place; what goes leaves its place free. What was placed can be kept and taken up again (keptLayout.ts), for
// after some changes a first layout is not what one has come to know.

import { grown } from "../live/columns";
import type { Place, StructureListener } from "../live/tables";
import type { Topology } from "../live/topology";
import { type Box, pack, Shelves, widthFor } from "./boxes";
import { FORM, type KeptLayout, type KeptRegion, type KeptSite, runsOf, slotsOf } from "./keptLayout";

/** World units of a node's slot. A node's square is a little smaller. */
export const SLOT = 10;
export const SITE_PAD = 3;
/** Height of a site's title. */
export const SITE_HEAD = 11;
const SITE_GAP = 6;
const REGION_PAD = 14;
/** Height of a region's title. */
export const REGION_HEAD = 30;
const REGION_GAP = 18;
const ASPECT = 1.5;
/** Width of the smallest region: its name is to be read from far off. */
const LEAST_REGION = 10 * SLOT;
/** A site keeps at least so many slots, and a quarter of them free. */
const FEWEST_SLOTS = 4;
const SPARE = 1.25;
/** A region keeps room for so many more of its sites. */
const SPARE_SITES = 0.12;

/** A box of a site: its first, or one that it continues in. */
export interface SiteBox extends Box {
  readonly site: number;
  /** 0 for the first. */
  readonly part: number;
  /** Slots in a row; as many rows. 0 for a waypoint. */
  readonly columns: number;
  /** Node rows by slot, -1 where it is free. */
  readonly slots: Int32Array;
  readonly regionBox: RegionBox;
}

/** A box of a region: its first, or one that it continues in. */
export interface RegionBox extends Box {
  readonly region: number;
  readonly part: number;
  /** 0 for one that is in no other. */
  readonly depth: number;
  readonly siteBoxes: SiteBox[];
}

export class SlotLayout implements StructureListener {
  /** Boxes of all regions, each before those within it. */
  regionBoxes: RegionBox[] = [];
  /** Boxes by site row. */
  siteBoxes: SiteBox[][] = [];
  /** The upper left corner of each node's slot by node row; NaN for one that has no place. */
  nodeX = new Float32Array(0);
  nodeY = new Float32Array(0);
  /** The extent of everything. */
  width = 0;
  height = 0;
  /** Counts what was placed or taken away. */
  version = 0;

  private readonly regionParts: RegionBox[][] = [];
  /** What is free in each region's box, and where in the world that room begins. */
  private readonly rooms = new Map<RegionBox, Shelves>();
  private readonly roomOrigin = new Map<RegionBox, { readonly x: number; readonly y: number }>();
  private readonly nodeSlot: { box: SiteBox; slot: number }[] = [];
  private world = new Shelves(0, Infinity, REGION_GAP);

  constructor(private readonly topology: Topology) {
    this.reset();
  }

  /** The first box of a site, or null for one without a place. */
  boxOf(site: number): SiteBox | null {
    return this.siteBoxes[site]?.[0] ?? null;
  }

  /** All boxes of a region. */
  boxesOfRegion(region: number): readonly RegionBox[] {
    return this.regionParts[region] ?? [];
  }

  /** Lays everything out anew. */
  reset(): void {
    const { regions, sites, nodes } = this.topology;
    this.clear();
    const nodesOf = grouped(nodes.limit, sites.limit, (row) => (nodes.has(row) ? (nodes.site[row] as number) : -1));
    const sitesOf = grouped(sites.limit, regions.limit, (row) => (sites.has(row) ? (sites.region[row] as number) : -1));
    const below = grouped(regions.limit, regions.limit, (row) => (regions.has(row) ? (regions.parent[row] as number) : -1));
    const roots: number[] = [];
    for (let row = 0; row < regions.limit; row += 1) {
      if (regions.has(row) && (regions.parent[row] as number) < 0) roots.push(row);
    }
    const drafts = roots.map((row) => this.draft(row, 0, { nodesOf, sitesOf, below })).sort(bySize);
    const width = widthFor([drafts], { gap: REGION_GAP, aspect: ASPECT });
    const { places, shelves } = pack(drafts, { gap: REGION_GAP, width });
    for (const [index, draft] of drafts.entries()) this.settle(draft, places[index] as Box);
    this.world = shelves.within(Math.max(shelves.usedWidth, SLOT * 40), Infinity);
    this.measure();
    this.version += 1;
  }

  /** What to place the same from, after the page was loaded again. */
  kept(): KeptLayout {
    const { regions, sites, nodes } = this.topology;
    const numbers = new Map(this.regionBoxes.map((box, number) => [box, number]));
    const regionsKept = this.regionBoxes.map((box): KeptRegion => {
      const parent = regions.parent[box.region] as number;
      const origin = this.roomOrigin.get(box) ?? box;
      const room = this.rooms.get(box) ?? new Shelves(0, 0, SITE_GAP);
      return {
        id: regions.ids[box.region] ?? "",
        parent: parent < 0 ? "" : (regions.ids[parent] ?? ""),
        at: [box.depth, box.x, box.y, box.width, box.height, origin.x, origin.y],
        room: room.kept(),
      };
    });
    const sitesKept = this.siteBoxes.flatMap((boxes = [], row) =>
      boxes.map((box): KeptSite => {
        const ordinals = Array.from(box.slots, (node) => (node < 0 ? -1 : (nodes.ordinal[node] as number)));
        const at = [numbers.get(box.regionBox) ?? -1, box.x, box.y, box.width, box.height, box.columns] as const;
        return { id: sites.ids[row] ?? "", at, runs: runsOf(ordinals) };
      }),
    );
    return { form: FORM, world: this.world.kept(), regions: regionsKept, sites: sitesKept };
  }

  /**
   * Places everything as it was kept, what has come since at free places. False, and nothing placed, where most of what
   * there is now was not there then: another graph, or one that has grown out of its old places, is laid out anew.
   */
  restore(kept: KeptLayout): boolean {
    const { regions, sites, nodes } = this.topology;
    const held = new Set(kept.sites.map(({ id }) => id).filter((id) => sites.rowOf(id) >= 0));
    if (held.size === 0 || held.size * 2 < sites.size) return false;
    this.clear();
    this.world = Shelves.of(kept.world, REGION_GAP);
    const boxes = kept.regions.map(({ id, parent, at: [depth, x, y, width, height, roomX, roomY], room }) => {
      const place = { x, y, width, height };
      const region = regions.rowOf(id);
      const above = region < 0 ? -1 : (regions.parent[region] as number);
      if (region < 0 || parent !== (above < 0 ? "" : regions.ids[above])) {
        if (depth === 0) this.world.giveBack(place);
        return null;
      }
      const box = this.addRegionBox({ region, depth, place, room: Shelves.of(room, SITE_GAP) });
      this.roomOrigin.set(box, { x: roomX, y: roomY });
      return box;
    });
    const nodesOf = grouped(nodes.limit, sites.limit, (row) => (nodes.has(row) ? (nodes.site[row] as number) : -1));
    for (const { id, at: [number, x, y, width, height, columns], runs } of kept.sites) {
      const regionBox = boxes[number];
      if (!regionBox) continue;
      const place = { x, y, width, height };
      const site = sites.rowOf(id);
      if (site < 0 || sites.region[site] !== regionBox.region) {
        this.giveBack(place, regionBox);
        continue;
      }
      const box = this.addSiteBox(site, place, columns, regionBox);
      const rows = new Map((nodesOf[site] ?? []).map((row) => [nodes.ordinal[row] as number, row]));
      for (const [slot, ordinal] of slotsOf(runs)) {
        const row = rows.get(ordinal);
        if (row !== undefined && slot < box.slots.length && this.nodeSlot[row] === undefined) this.occupy(row, box, slot);
      }
    }
    for (let row = 0; row < regions.limit; row += 1) if (regions.has(row)) this.placeRegion(row);
    for (let row = 0; row < sites.limit; row += 1) this.placeSite(row);
    for (let row = 0; row < nodes.limit; row += 1) this.placeNode(row);
    this.measure();
    this.version += 1;
    return true;
  }

  private clear(): void {
    const { limit } = this.topology.nodes;
    this.regionBoxes = [];
    this.siteBoxes = [];
    this.regionParts.length = 0;
    this.nodeSlot.length = 0;
    this.rooms.clear();
    this.roomOrigin.clear();
    this.nodeX = new Float32Array(limit).fill(NaN);
    this.nodeY = new Float32Array(limit).fill(NaN);
  }

  /** Places what came and frees what went. */
  changed(added: readonly Place[], removed: readonly Place[]): void {
    // What hung on a site or a region that went elsewhere goes with it.
    const sites = new Set<number>();
    const nodes = new Set<number>();
    for (const { kind, row } of removed) {
      if (kind === "node") this.freeNode(row);
      else if (kind === "site") this.freeSite(row, nodes);
      else if (kind === "region") this.freeRegion(row, sites, nodes);
    }
    // Parents first: a site needs its region's box, a node its site's.
    for (const { kind, row } of added) if (kind === "region") this.placeRegion(row);
    for (const { kind, row } of added) if (kind === "site") this.placeSite(row);
    for (const row of sites) this.placeSite(row);
    for (const { kind, row } of added) if (kind === "node") this.placeNode(row);
    for (const row of nodes) this.placeNode(row);
    this.measure();
    this.version += 1;
  }

  // The first layout: sizes from the leaves up, then places from the roots down.

  private draft(region: number, depth: number, groups: Groups): RegionDraft {
    const { sites } = this.topology;
    const children = (depth < 32 ? (groups.below[region] ?? []) : []).map((row) => this.draft(row, depth + 1, groups)).sort(bySize);
    const boxes = [...(groups.sitesOf[region] ?? [])]
      .sort((a, b) => (sites.ordinal[a] as number) - (sites.ordinal[b] as number))
      .map((site) => this.siteDraft(site, groups.nodesOf[site] ?? []))
      // Compute sites before waypoints, so that the small boxes share their shelves.
      .sort((a, b) => Number(a.columns === 0) - Number(b.columns === 0));
    // What is in other regions stands over what is in none of them: both as wide as makes the whole a picture.
    const wide = widthFor([children, boxes], { gap: children.length > 0 ? REGION_GAP : SITE_GAP, aspect: ASPECT });
    const inner = pack(children, { gap: REGION_GAP, width: wide });
    const own = pack(boxes, { gap: SITE_GAP, width: Math.max(wide, inner.shelves.usedWidth) });
    const spareBox = boxes.reduce((most, box) => Math.max(most, box.height), SITE_HEAD + 2 * SITE_PAD + 2 * SLOT);
    const spareShelves = boxes.length === 0 ? 0 : Math.max(1, Math.round((own.shelves.usedHeight / spareBox) * SPARE_SITES));
    const ownWidth = Math.max(own.shelves.usedWidth, boxes.length === 0 ? 0 : spareBox * 2);
    const ownHeight = own.shelves.usedHeight + spareShelves * (spareBox + SITE_GAP);
    const innerHeight = inner.shelves.usedHeight;
    const between = innerHeight > 0 && ownHeight > 0 ? REGION_GAP : 0;
    const width = Math.max(inner.shelves.usedWidth, ownWidth, LEAST_REGION) + 2 * REGION_PAD;
    const height = REGION_HEAD + innerHeight + between + ownHeight + REGION_PAD;
    return {
      region,
      depth,
      children,
      boxes,
      innerPlaces: inner.places,
      ownPlaces: own.places,
      ownTop: REGION_HEAD + innerHeight + between,
      room: own.shelves.within(width - 2 * REGION_PAD, ownHeight),
      width,
      height,
    };
  }

  private siteDraft(site: number, nodeRows: readonly number[]): SiteDraft {
    const { sites, nodes } = this.topology;
    if (sites.transit[site] === 1 && nodeRows.length === 0) return { site, columns: 0, slotOf: new Map(), ...waypointSize() };
    const ordered = [...nodeRows].sort((a, b) => (nodes.ordinal[a] as number) - (nodes.ordinal[b] as number));
    const last = ordered.at(-1);
    const span = last === undefined ? 0 : (nodes.ordinal[last] as number) + 1;
    const dense = span <= ordered.length * 2 + FEWEST_SLOTS;
    const wanted = Math.max(FEWEST_SLOTS, Math.ceil(ordered.length * SPARE), dense ? span : 0);
    const columns = Math.ceil(Math.sqrt(wanted));
    const slotOf = new Map<number, number>();
    const taken = new Set<number>();
    for (const [rank, row] of ordered.entries()) {
      const ordinal = nodes.ordinal[row] as number;
      const slot = dense && ordinal >= 0 && !taken.has(ordinal) ? ordinal : rank;
      taken.add(slot);
      slotOf.set(row, slot);
    }
    return { site, columns, slotOf, ...siteSize(columns) };
  }

  private settle(draft: RegionDraft, place: Box): void {
    const box = this.addRegionBox({ region: draft.region, depth: draft.depth, place, room: draft.room });
    for (const [index, child] of draft.children.entries()) {
      const inner = draft.innerPlaces[index] as Box;
      this.settle(child, moved(inner, box.x + REGION_PAD, box.y + REGION_HEAD));
    }
    for (const [index, site] of draft.boxes.entries()) {
      const at = moved(draft.ownPlaces[index] as Box, box.x + REGION_PAD, box.y + draft.ownTop);
      const siteBox = this.addSiteBox(site.site, at, site.columns, box);
      for (const [node, slot] of site.slotOf) this.occupy(node, siteBox, slot);
    }
    this.roomOrigin.set(box, { x: box.x + REGION_PAD, y: box.y + draft.ownTop });
  }

  // One at a time, later

  private placeRegion(row: number): void {
    if (this.boxesOfRegion(row).length === 0) this.continueRegion(row);
  }

  /** A further box of a region at the next free place of the world. */
  private continueRegion(region: number): RegionBox {
    const side = SITE_HEAD + 2 * SITE_PAD + 4 * SLOT + SITE_GAP;
    const columns = 6;
    const rows = Math.min(24, 3 * 2 ** this.boxesOfRegion(region).length);
    const width = columns * side + 2 * REGION_PAD;
    const height = REGION_HEAD + rows * side + REGION_PAD;
    const place = this.world.put(width, height) ?? this.widen(width, height);
    const box = this.addRegionBox({
      region,
      depth: 0,
      place,
      room: new Shelves(width - 2 * REGION_PAD, rows * side, SITE_GAP),
    });
    this.roomOrigin.set(box, { x: box.x + REGION_PAD, y: box.y + REGION_HEAD });
    return box;
  }

  private widen(width: number, height: number): Box {
    this.world = this.world.within(Math.max(width, this.width), Infinity);
    const place = this.world.put(width, height);
    if (place === null) throw new Error("a world that is as wide as a box has no place for it");
    return place;
  }

  private placeSite(row: number): void {
    const { sites } = this.topology;
    if (!sites.has(row) || this.boxOf(row) !== null || (sites.region[row] as number) < 0) return;
    this.continueSite(row, sites.transit[row] === 1 ? 0 : Math.ceil(Math.sqrt(FEWEST_SLOTS)));
  }

  private continueSite(site: number, columns: number): SiteBox {
    const region = this.topology.sites.region[site] as number;
    const { width, height } = columns === 0 ? waypointSize() : siteSize(columns);
    for (const box of this.boxesOfRegion(region)) {
      const place = this.rooms.get(box)?.put(width, height);
      if (place) return this.addSiteBox(site, this.inRoom(place, box), columns, box);
    }
    for (;;) {
      // A region's further boxes double in height, so a box of any size finds room after a few.
      const box = this.continueRegion(region);
      const place = this.rooms.get(box)?.put(width, height);
      if (place) return this.addSiteBox(site, this.inRoom(place, box), columns, box);
      if (this.boxesOfRegion(region).length > 8) throw new Error("a site's box is larger than any region's");
    }
  }

  private placeNode(row: number): void {
    const { nodes } = this.topology;
    this.nodeX = grown(this.nodeX, nodes.limit, NaN);
    this.nodeY = grown(this.nodeY, nodes.limit, NaN);
    const site = nodes.has(row) ? (nodes.site[row] as number) : -1;
    const boxes = site >= 0 ? this.siteBoxes[site] : undefined;
    if (!boxes || boxes.length === 0 || this.nodeSlot[row] !== undefined) return;
    for (const box of boxes) {
      const slot = box.slots.indexOf(-1);
      if (slot >= 0) return this.occupy(row, box, slot);
    }
    const last = boxes.at(-1);
    const columns = Math.min(16, Math.max(2, last?.columns ?? 2));
    this.occupy(row, this.continueSite(site, columns), 0);
  }

  private occupy(node: number, box: SiteBox, slot: number): void {
    box.slots[slot] = node;
    this.nodeSlot[node] = { box, slot };
    this.nodeX[node] = box.x + SITE_PAD + (slot % box.columns) * SLOT;
    this.nodeY[node] = box.y + SITE_HEAD + SITE_PAD + Math.floor(slot / box.columns) * SLOT;
  }

  private freeNode(row: number): void {
    const at = this.nodeSlot[row];
    if (at === undefined) return;
    at.box.slots[at.slot] = -1;
    delete this.nodeSlot[row];
    this.nodeX[row] = NaN;
    this.nodeY[row] = NaN;
  }

  private freeSite(row: number, nodes: Set<number>): void {
    for (const box of this.siteBoxes[row] ?? []) {
      for (const node of box.slots) {
        if (node < 0) continue;
        this.freeNode(node);
        nodes.add(node);
      }
      box.regionBox.siteBoxes.splice(box.regionBox.siteBoxes.indexOf(box), 1);
      this.giveBack(box, box.regionBox);
    }
    delete this.siteBoxes[row];
  }

  /** The place of a site's box is free for another. */
  private giveBack(place: Box, regionBox: RegionBox): void {
    const origin = this.roomOrigin.get(regionBox);
    if (origin) this.rooms.get(regionBox)?.giveBack(moved(place, -origin.x, -origin.y));
  }

  private freeRegion(row: number, sites: Set<number>, nodes: Set<number>): void {
    for (const box of this.boxesOfRegion(row)) {
      for (const site of new Set(box.siteBoxes.map((each) => each.site))) {
        this.freeSite(site, nodes);
        sites.add(site);
      }
      this.regionBoxes.splice(this.regionBoxes.indexOf(box), 1);
      this.rooms.delete(box);
      this.roomOrigin.delete(box);
      if (box.depth === 0) this.world.giveBack(box);
    }
    delete this.regionParts[row];
  }

  private addRegionBox(given: {
    readonly region: number;
    readonly depth: number;
    readonly place: Box;
    readonly room: Shelves;
  }): RegionBox {
    const parts = (this.regionParts[given.region] ??= []);
    const box: RegionBox = {
      ...given.place,
      region: given.region,
      part: parts.length,
      depth: given.depth,
      siteBoxes: [],
    };
    parts.push(box);
    this.regionBoxes.push(box);
    this.rooms.set(box, given.room);
    return box;
  }

  private addSiteBox(site: number, place: Box, columns: number, regionBox: RegionBox): SiteBox {
    const parts = (this.siteBoxes[site] ??= []);
    const slots = new Int32Array(columns * columns).fill(-1);
    const box: SiteBox = { ...place, site, part: parts.length, columns, slots, regionBox };
    parts.push(box);
    regionBox.siteBoxes.push(box);
    return box;
  }

  private inRoom(place: Box, box: RegionBox): Box {
    const origin = this.roomOrigin.get(box);
    if (!origin) throw new Error("a region's box has no room of its own");
    return moved(place, origin.x, origin.y);
  }

  private measure(): void {
    let [width, height] = [0, 0];
    for (const box of this.regionBoxes) {
      if (box.depth > 0) continue;
      width = Math.max(width, box.x + box.width);
      height = Math.max(height, box.y + box.height);
    }
    this.width = width;
    this.height = height;
  }
}

interface Groups {
  readonly nodesOf: readonly (readonly number[] | undefined)[];
  readonly sitesOf: readonly (readonly number[] | undefined)[];
  readonly below: readonly (readonly number[] | undefined)[];
}

interface SiteDraft {
  readonly site: number;
  readonly columns: number;
  readonly slotOf: ReadonlyMap<number, number>;
  readonly width: number;
  readonly height: number;
}

interface RegionDraft {
  readonly region: number;
  readonly depth: number;
  readonly children: readonly RegionDraft[];
  readonly boxes: readonly SiteDraft[];
  readonly innerPlaces: readonly Box[];
  readonly ownPlaces: readonly Box[];
  readonly ownTop: number;
  readonly room: Shelves;
  readonly width: number;
  readonly height: number;
}

function siteSize(columns: number): { width: number; height: number } {
  return { width: columns * SLOT + 2 * SITE_PAD, height: columns * SLOT + 2 * SITE_PAD + SITE_HEAD };
}

function waypointSize(): { width: number; height: number } {
  return { width: 2 * SLOT, height: 2 * SLOT };
}

/** Larger first, so that shelves are even; the same for the same topology. */
function bySize(a: RegionDraft, b: RegionDraft): number {
  return b.height - a.height || b.width - a.width || a.region - b.region;
}

function moved(box: Box, x: number, y: number): Box {
  return { x: box.x + x, y: box.y + y, width: box.width, height: box.height };
}

/** Rows by the group that each is in. */
function grouped(rows: number, groups: number, groupOf: (row: number) => number): (number[] | undefined)[] {
  const found = new Array<number[] | undefined>(groups);
  for (let row = 0; row < rows; row += 1) {
    const group = groupOf(row);
    if (group >= 0) (found[group] ??= []).push(row);
  }
  return found;
}
