// The live topology outside React: typed arrays that a subscription writes and canvases read at frame rate. Telemetry
// never enters a normalised cache nor React's state: a hundred changes cost such a cache a tenth of a second, and these
// arrays a fiftieth of a millisecond.
//
// Events come in the order of the graph's revisions, so a row never refers to one that was not told before it, with one
// exception: what a viewer may not see. A node whose site is unknown is kept and counted nowhere.

import { grown, type Rows } from "./columns";
import {
  instanceState,
  linkState,
  nodeState,
  siteState,
  STATE_COUNT,
  State,
  type StateCode,
} from "./states";
import {
  InstanceTable,
  LinkTable,
  NodeTable,
  RegionTable,
  SiteTable,
  type Delta,
  type InstanceColumns,
  type LinkColumns,
  type NodeColumns,
  type PictureKind,
  type Place,
  type RegionColumns,
  type SiteColumns,
  type Snapshot,
  type StructureListener,
  type Tables,
} from "./tables";

/** The picture as it is known now. */
export class Topology {
  regions = new RegionTable();
  sites = new SiteTable();
  nodes = new NodeTable();
  links = new LinkTable();
  instances = new InstanceTable();

  /** The graph's revision that this picture is complete up to; 0 before the first snapshot. */
  revision = 0;
  /** Counts every event that changed something: who draws compares it with the one that was drawn. */
  version = 0;
  /** Counts the events after which rows came, went or moved. */
  structureVersion = 0;
  /** Counts the events in which a link came, went or changed. */
  linksVersion = 0;
  /** Counts the events that gave a site another position on the earth, or brought one. */
  positionsVersion = 0;
  /** Changes of rows since the page was opened. */
  changes = 0;
  /** Nodes, sites, instances of the whole by state. */
  readonly nodeTotals = new Int32Array(STATE_COUNT);
  readonly siteTotals = new Int32Array(STATE_COUNT);
  readonly instanceTotals = new Int32Array(STATE_COUNT);

  private readonly listeners = new Set<StructureListener>();
  private added: Place[] = [];
  private removed: Place[] = [];

  constructor(private readonly clock: () => number = () => performance.now()) {}

  /** Listens to changes of structure; the answer stops it. */
  listen(listener: StructureListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Takes a snapshot in place of everything. What is known already keeps its row, and so its place in a picture: a feed
   * that could not be resumed must not move what one looks at. Another graph altogether is begun anew.
   */
  load(snapshot: Snapshot): void {
    if (this.revision > 0 && this.holdsMostOf(snapshot)) this.loadOver(snapshot);
    else this.loadAnew(snapshot);
  }

  private loadAnew(snapshot: Snapshot): void {
    this.regions = new RegionTable();
    this.sites = new SiteTable();
    this.nodes = new NodeTable();
    this.links = new LinkTable();
    this.instances = new InstanceTable();
    this.nodeTotals.fill(0);
    this.siteTotals.fill(0);
    this.instanceTotals.fill(0);
    this.put(snapshot, 0);
    this.added = [];
    this.removed = [];
    this.revision = snapshot.revision;
    this.version += 1;
    this.structureVersion += 1;
    this.linksVersion += 1;
    this.positionsVersion += 1;
    for (const listener of this.listeners) listener.reset();
  }

  private loadOver(snapshot: Snapshot): void {
    const kept = new Set([snapshot.regions, snapshot.sites, snapshot.nodes, snapshot.links, snapshot.instances].flatMap(({ ids }) => ids));
    const gone = [...this.tables()].flatMap(([, table]) => table.ids.filter((id) => id !== "" && !kept.has(id)));
    this.put(snapshot, this.clock());
    for (const id of gone) this.remove(id);
    this.revision = snapshot.revision;
    this.version += 1;
    this.tell();
  }

  /** Whether most places of the snapshot, and most of what is known, are the same. */
  private holdsMostOf({ regions, sites, nodes }: Snapshot): boolean {
    const places = [
      [this.regions, regions.ids],
      [this.sites, sites.ids],
      [this.nodes, nodes.ids],
    ] as const;
    let [known, all] = [0, 0];
    for (const [table, ids] of places) {
      all += Math.max(table.size, ids.length);
      for (const id of ids) if (table.rowOf(id) >= 0) known += 1;
    }
    return known * 2 > all;
  }

  /** Brings the picture forward. False when the delta does not follow what is known, so that nothing was taken. */
  apply(delta: Delta): boolean {
    if (delta.follows > this.revision) return false;
    if (delta.revision <= this.revision) return true;
    this.put(delta, this.clock());
    for (const id of delta.removedIds) this.remove(id);
    this.revision = delta.revision;
    this.version += 1;
    this.tell();
    return true;
  }

  /** Complete up to a revision without any change. */
  confirm(revision: number): void {
    if (revision > this.revision) {
      this.revision = revision;
      this.version += 1;
    }
  }

  /** The row of an id, whatever its kind. */
  find(id: string): Place | null {
    for (const [kind, table] of this.tables()) {
      const row = table.rowOf(id);
      if (row >= 0) return { kind, row };
    }
    return null;
  }

  /** The id of a row. */
  idOf({ kind, row }: Place): string {
    return this.table(kind).ids[row] ?? "";
  }

  table(kind: PictureKind): Rows {
    switch (kind) {
      case "region":
        return this.regions;
      case "site":
        return this.sites;
      case "node":
        return this.nodes;
      case "link":
        return this.links;
      case "instance":
        return this.instances;
    }
  }

  private *tables(): Iterable<[PictureKind, Rows]> {
    yield ["node", this.nodes];
    yield ["site", this.sites];
    yield ["instance", this.instances];
    yield ["link", this.links];
    yield ["region", this.regions];
  }

  private tell(): void {
    if (this.added.length === 0 && this.removed.length === 0) return;
    this.structureVersion += 1;
    const [added, removed] = [this.added, this.removed];
    this.added = [];
    this.removed = [];
    for (const listener of this.listeners) listener.changed(added, removed);
  }

  private put(tables: Tables, now: number): void {
    this.putRegions(tables.regions);
    this.putSites(tables.sites, now);
    this.putNodes(tables.nodes, now);
    this.putLinks(tables.links, now);
    this.putInstances(tables.instances, now);
  }

  private putRegions(from: RegionColumns): void {
    const to = this.regions;
    // Parents may come after their children within one event: all take their rows first.
    const rows = from.ids.map((id) => {
      const known = to.rowOf(id) >= 0;
      const row = to.take(id);
      if (!known) {
        this.growRegions(row + 1);
        to.parent[row] = -1;
        to.nodeCounts.fill(0, row * STATE_COUNT, (row + 1) * STATE_COUNT);
        to.siteCounts.fill(0, row * STATE_COUNT, (row + 1) * STATE_COUNT);
        this.added.push({ kind: "region", row });
      }
      return row;
    });
    for (const [index, row] of rows.entries()) {
      to.names[row] = from.names[index] ?? "";
      to.titles[row] = from.displayNames[index] || (from.names[index] ?? "");
      to.levels[row] = from.levels[index] ?? "";
      to.labels[row] = from.labels[index] ?? "";
      to.longitude[row] = from.longitudes[index] ?? NaN;
      to.latitude[row] = from.latitudes[index] ?? NaN;
      const parentId = from.parentIds[index];
      const parent = parentId ? to.rowOf(parentId) : -1;
      const before = to.parent[row] as number;
      if (parent !== before) {
        this.addSubtree(row, before, -1);
        to.parent[row] = parent;
        this.addSubtree(row, parent, 1);
        this.changes += 1;
        if (before >= 0) this.moved("region", row);
      }
    }
    this.changes += rows.length;
  }

  private putSites(from: SiteColumns, now: number): void {
    const to = this.sites;
    for (let index = 0; index < from.ids.length; index += 1) {
      const id = from.ids[index] as string;
      const known = to.rowOf(id) >= 0;
      const row = to.take(id);
      const region = this.regions.rowOf(from.regionIds[index] ?? "");
      const state = siteState(from.healths[index] ?? "", from.schedulable[index] ?? true);
      const transit = from.roles[index] === "TRANSIT" ? 1 : 0;
      if (known) {
        this.countSite(row, -1);
        if (to.region[row] !== region) {
          this.addSiteNodes(row, -1);
          to.region[row] = region;
          this.addSiteNodes(row, 1);
          this.moved("site", row);
        }
        if (to.state[row] !== state) to.changedAt[row] = now;
      } else {
        this.growSites(row + 1);
        to.nodeCounts.fill(0, row * STATE_COUNT, (row + 1) * STATE_COUNT);
        to.instanceCounts.fill(0, row * STATE_COUNT, (row + 1) * STATE_COUNT);
        to.region[row] = region;
        to.changedAt[row] = now;
        this.added.push({ kind: "site", row });
      }
      to.names[row] = from.names[index] ?? "";
      to.titles[row] = from.displayNames[index] || (from.names[index] ?? "");
      to.tiers[row] = from.tiers[index] ?? "";
      to.labels[row] = from.labels[index] ?? "";
      to.ordinal[row] = from.ordinals[index] ?? 0;
      to.transit[row] = transit;
      const [longitude, latitude] = [from.longitudes[index] ?? NaN, from.latitudes[index] ?? NaN];
      if (!known || !Object.is(to.longitude[row], longitude) || !Object.is(to.latitude[row], latitude)) {
        to.longitude[row] = longitude;
        to.latitude[row] = latitude;
        this.positionsVersion += 1;
      }
      to.state[row] = state;
      to.toldAt[row] = this.version + 1;
      this.countSite(row, 1);
    }
    this.changes += from.ids.length;
  }

  private putNodes(from: NodeColumns, now: number): void {
    const to = this.nodes;
    for (let index = 0; index < from.ids.length; index += 1) {
      const id = from.ids[index] as string;
      const known = to.rowOf(id) >= 0;
      const row = to.take(id);
      const site = this.sites.rowOf(from.siteIds[index] ?? "");
      const state = nodeState(from.statuses[index] ?? "", from.schedulable[index] ?? true);
      if (known) {
        this.countNode(to.site[row] as number, to.state[row] as StateCode, -1);
        if (to.site[row] !== site) this.moved("node", row);
        if (to.state[row] !== state) to.changedAt[row] = now;
      } else {
        this.growNodes(row + 1);
        to.changedAt[row] = now;
        this.added.push({ kind: "node", row });
      }
      to.names[row] = from.names[index] ?? "";
      to.arches[row] = from.arches[index] ?? "";
      to.labels[row] = from.labels[index] ?? "";
      to.site[row] = site;
      to.ordinal[row] = from.ordinals[index] ?? 0;
      to.state[row] = state;
      this.countNode(site, state, 1);
    }
    this.changes += from.ids.length;
  }

  private putLinks(from: LinkColumns, now: number): void {
    const to = this.links;
    for (let index = 0; index < from.ids.length; index += 1) {
      const id = from.ids[index] as string;
      const known = to.rowOf(id) >= 0;
      const row = to.take(id);
      const state = linkState(from.states[index] ?? "");
      if (known) {
        if (to.state[row] !== state) to.changedAt[row] = now;
      } else {
        this.growLinks(row + 1);
        to.changedAt[row] = now;
        this.added.push({ kind: "link", row });
      }
      to.from[row] = this.sites.rowOf(from.fromSiteIds[index] ?? "");
      to.to[row] = this.sites.rowOf(from.toSiteIds[index] ?? "");
      to.latencyMs[row] = from.latenciesMs[index] ?? 0;
      to.bandwidthMbps[row] = from.bandwidthsMbps[index] ?? NaN;
      to.state[row] = state;
    }
    if (from.ids.length > 0) this.linksVersion += 1;
    this.changes += from.ids.length;
  }

  private putInstances(from: InstanceColumns, now: number): void {
    const to = this.instances;
    for (let index = 0; index < from.ids.length; index += 1) {
      const id = from.ids[index] as string;
      const known = to.rowOf(id) >= 0;
      const row = to.take(id);
      const site = this.sites.rowOf(from.siteIds[index] ?? "");
      const nodeId = from.nodeIds[index];
      const node = nodeId ? this.nodes.rowOf(nodeId) : -1;
      const state = instanceState(from.statuses[index] ?? "");
      if (known) {
        this.countInstance(to.site[row] as number, to.state[row] as StateCode, -1);
        if (to.site[row] !== site || to.node[row] !== node) this.moved("instance", row);
        if (to.state[row] !== state) to.changedAt[row] = now;
      } else {
        this.growInstances(row + 1);
        to.changedAt[row] = now;
        this.added.push({ kind: "instance", row });
      }
      to.names[row] = from.names[index] ?? "";
      to.releaseIds[row] = from.releaseIds[index] ?? "";
      to.site[row] = site;
      to.node[row] = node;
      to.state[row] = state;
      this.countInstance(site, state, 1);
    }
    this.changes += from.ids.length;
  }

  /** A row that hangs elsewhere now has gone and come, for whoever places rows. */
  private moved(kind: PictureKind, row: number): void {
    this.removed.push({ kind, row });
    this.added.push({ kind, row });
  }

  private remove(id: string): void {
    const place = this.find(id);
    if (place === null) return;
    const { kind, row } = place;
    if (kind === "node") this.countNode(this.nodes.site[row] as number, this.nodes.state[row] as StateCode, -1);
    if (kind === "site") {
      this.countSite(row, -1);
      this.addSiteNodes(row, -1);
      // Its nodes may be removed after it: they are counted in no region any more.
      this.sites.region[row] = -1;
    }
    if (kind === "instance") {
      this.countInstance(this.instances.site[row] as number, this.instances.state[row] as StateCode, -1);
    }
    if (kind === "region") {
      this.addSubtree(row, this.regions.parent[row] as number, -1);
      this.regions.parent[row] = -1;
    }
    if (kind === "link") this.linksVersion += 1;
    this.table(kind).drop(row);
    this.removed.push(place);
    this.changes += 1;
  }

  // Counts

  private countNode(site: number, state: StateCode, by: number): void {
    this.nodeTotals[state] = (this.nodeTotals[state] as number) + by;
    if (site < 0) return;
    bump(this.sites.nodeCounts, site, state, by);
    this.sites.toldAt[site] = this.version + 1;
    this.upwards(this.sites.region[site] as number, (region) => bump(this.regions.nodeCounts, region, state, by));
  }

  private countSite(row: number, by: number): void {
    if (this.sites.transit[row] === 1) return;
    const state = this.sites.state[row] as StateCode;
    this.siteTotals[state] = (this.siteTotals[state] as number) + by;
    this.upwards(this.sites.region[row] as number, (region) => bump(this.regions.siteCounts, region, state, by));
  }

  private countInstance(site: number, state: StateCode, by: number): void {
    this.instanceTotals[state] = (this.instanceTotals[state] as number) + by;
    if (site < 0) return;
    bump(this.sites.instanceCounts, site, state, by);
    this.sites.toldAt[site] = this.version + 1;
  }

  /** Adds or takes a site's nodes to or from its regions. */
  private addSiteNodes(site: number, by: 1 | -1): void {
    for (let state = 0; state < STATE_COUNT; state += 1) {
      const count = (this.sites.nodeCounts[site * STATE_COUNT + state] as number) * by;
      if (count === 0) continue;
      this.upwards(this.sites.region[site] as number, (region) =>
        bump(this.regions.nodeCounts, region, state as StateCode, count),
      );
    }
  }

  /** Adds or takes a region's counts to or from what it is, or was, part of. */
  private addSubtree(region: number, parent: number, by: 1 | -1): void {
    for (let state = 0; state < STATE_COUNT; state += 1) {
      const nodes = (this.regions.nodeCounts[region * STATE_COUNT + state] as number) * by;
      const sites = (this.regions.siteCounts[region * STATE_COUNT + state] as number) * by;
      if (nodes === 0 && sites === 0) continue;
      this.upwards(parent, (above) => {
        bump(this.regions.nodeCounts, above, state as StateCode, nodes);
        bump(this.regions.siteCounts, above, state as StateCode, sites);
      });
    }
  }

  private upwards(region: number, each: (region: number) => void): void {
    for (let at = region, guard = 0; at >= 0 && guard < 64; at = this.regions.parent[at] as number, guard += 1) each(at);
  }

  // Room

  private growRegions(size: number): void {
    const to = this.regions;
    to.parent = grown(to.parent, size, -1);
    to.longitude = grown(to.longitude, size);
    to.latitude = grown(to.latitude, size);
    to.nodeCounts = grown(to.nodeCounts, size * STATE_COUNT);
    to.siteCounts = grown(to.siteCounts, size * STATE_COUNT);
  }

  private growSites(size: number): void {
    const to = this.sites;
    to.region = grown(to.region, size);
    to.ordinal = grown(to.ordinal, size);
    to.transit = grown(to.transit, size);
    to.longitude = grown(to.longitude, size);
    to.latitude = grown(to.latitude, size);
    to.state = grown(to.state, size);
    to.nodeCounts = grown(to.nodeCounts, size * STATE_COUNT);
    to.instanceCounts = grown(to.instanceCounts, size * STATE_COUNT);
    to.changedAt = grown(to.changedAt, size);
    to.toldAt = grown(to.toldAt, size);
  }

  private growNodes(size: number): void {
    const to = this.nodes;
    to.site = grown(to.site, size);
    to.ordinal = grown(to.ordinal, size);
    to.state = grown(to.state, size);
    to.changedAt = grown(to.changedAt, size);
  }

  private growLinks(size: number): void {
    const to = this.links;
    to.from = grown(to.from, size);
    to.to = grown(to.to, size);
    to.latencyMs = grown(to.latencyMs, size);
    to.bandwidthMbps = grown(to.bandwidthMbps, size);
    to.state = grown(to.state, size);
    to.changedAt = grown(to.changedAt, size);
  }

  private growInstances(size: number): void {
    const to = this.instances;
    to.site = grown(to.site, size);
    to.node = grown(to.node, size);
    to.state = grown(to.state, size);
    to.changedAt = grown(to.changedAt, size);
  }
}

function bump(counts: Int32Array, row: number, state: StateCode, by: number): void {
  const at = row * STATE_COUNT + state;
  counts[at] = (counts[at] as number) + by;
}

/** Whether every state of a row's counts is well. */
export function allReady(counts: Int32Array, row: number): boolean {
  for (let state = 0; state < STATE_COUNT; state += 1) {
    if (state !== State.READY && (counts[row * STATE_COUNT + state] as number) > 0) return false;
  }
  return true;
}
