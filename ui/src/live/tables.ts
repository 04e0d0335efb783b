// The tables of the live picture: what the API's columns are kept in. Typed arrays by row, grown as rows come.

import { Rows } from "./columns";

/** Columns as the API sends them: all of one table equally long. */
export interface RegionColumns {
  readonly ids: readonly string[];
  readonly names: readonly string[];
  readonly displayNames: readonly (string | null)[];
  readonly parentIds: readonly (string | null)[];
  readonly levels: readonly string[];
  readonly longitudes: readonly (number | null)[];
  readonly latitudes: readonly (number | null)[];
  readonly labels: readonly string[];
}

export interface SiteColumns {
  readonly ids: readonly string[];
  readonly names: readonly string[];
  readonly displayNames: readonly (string | null)[];
  readonly regionIds: readonly string[];
  readonly ordinals: readonly number[];
  readonly tiers: readonly string[];
  readonly roles: readonly string[];
  readonly longitudes: readonly (number | null)[];
  readonly latitudes: readonly (number | null)[];
  readonly healths: readonly string[];
  readonly schedulable: readonly boolean[];
  readonly labels: readonly string[];
}

export interface NodeColumns {
  readonly ids: readonly string[];
  readonly names: readonly string[];
  readonly siteIds: readonly string[];
  readonly ordinals: readonly number[];
  readonly arches: readonly string[];
  readonly statuses: readonly string[];
  readonly schedulable: readonly boolean[];
  readonly labels: readonly string[];
}

export interface LinkColumns {
  readonly ids: readonly string[];
  readonly fromSiteIds: readonly string[];
  readonly toSiteIds: readonly string[];
  readonly latenciesMs: readonly number[];
  readonly bandwidthsMbps: readonly (number | null)[];
  readonly states: readonly string[];
}

export interface InstanceColumns {
  readonly ids: readonly string[];
  readonly names: readonly string[];
  readonly siteIds: readonly string[];
  readonly nodeIds: readonly (string | null)[];
  readonly releaseIds: readonly string[];
  readonly statuses: readonly string[];
}

/** What a snapshot and a delta both hold. */
export interface Tables {
  readonly regions: RegionColumns;
  readonly sites: SiteColumns;
  readonly nodes: NodeColumns;
  readonly links: LinkColumns;
  readonly instances: InstanceColumns;
}

export interface Snapshot extends Tables {
  readonly revision: number;
  readonly cursor: string;
}

export interface Delta extends Snapshot {
  readonly follows: number;
  readonly removedIds: readonly string[];
}

export class RegionTable extends Rows {
  readonly names: string[] = [];
  /** The name for people, or the name. */
  readonly titles: string[] = [];
  readonly levels: string[] = [];
  readonly labels: string[] = [];
  /** The row of the region that each is part of, or -1. */
  parent = new Int32Array(0);
  /** NaN where a region has no centre. */
  longitude = new Float64Array(0);
  latitude = new Float64Array(0);
  /** Nodes by state within each region and all below it: `row * STATE_COUNT + state`. */
  nodeCounts = new Int32Array(0);
  /** Sites by state, likewise. TRANSIT sites, which run nothing, are not counted. */
  siteCounts = new Int32Array(0);
}

export class SiteTable extends Rows {
  readonly names: string[] = [];
  readonly titles: string[] = [];
  readonly tiers: string[] = [];
  readonly labels: string[] = [];
  region = new Int32Array(0);
  ordinal = new Int32Array(0);
  /** 1 for a waypoint, which is routed through only. */
  transit = new Uint8Array(0);
  longitude = new Float64Array(0);
  latitude = new Float64Array(0);
  state = new Uint8Array(0);
  /** Nodes by state in each site: `row * STATE_COUNT + state`. */
  nodeCounts = new Int32Array(0);
  /** Instances by state in each site. */
  instanceCounts = new Int32Array(0);
  /** When the state last changed while watched, in ms of `performance.now()`; 0: not since the snapshot. */
  changedAt = new Float64Array(0);
  /** The picture's `version` at which it, or anything in it, was last told: what is newer than a drawing of it. */
  toldAt = new Int32Array(0);
}

export class NodeTable extends Rows {
  readonly names: string[] = [];
  readonly arches: string[] = [];
  readonly labels: string[] = [];
  site = new Int32Array(0);
  ordinal = new Int32Array(0);
  state = new Uint8Array(0);
  changedAt = new Float64Array(0);
}

export class LinkTable extends Rows {
  from = new Int32Array(0);
  to = new Int32Array(0);
  latencyMs = new Float32Array(0);
  /** NaN where a link states none. */
  bandwidthMbps = new Float32Array(0);
  state = new Uint8Array(0);
  changedAt = new Float64Array(0);
}

export class InstanceTable extends Rows {
  readonly names: string[] = [];
  readonly releaseIds: string[] = [];
  site = new Int32Array(0);
  /** The row of the node that it runs on, or -1 where that is not known. */
  node = new Int32Array(0);
  state = new Uint8Array(0);
  changedAt = new Float64Array(0);
}

/** The kinds that a picture of the topology shows. */
export type PictureKind = "region" | "site" | "node" | "link" | "instance";

/** What is told when rows came, went or moved to another parent; a change of state alone is not told. */
export interface StructureListener {
  /** Rows that were taken since, by kind, and rows that were dropped. Called after the tables have changed. */
  changed(added: readonly Place[], removed: readonly Place[]): void;
  /** Everything is another picture: forget what was derived from rows. */
  reset(): void;
}

/** A row of a table. */
export interface Place {
  readonly kind: PictureKind;
  readonly row: number;
}
