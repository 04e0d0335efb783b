// The shapes of the earth (Natural Earth, from the package world-atlas), loaded with the map and kept.

import type { GeoPermissibleObjects } from "d3-geo";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";

export interface Earth {
  readonly land: GeoPermissibleObjects;
  readonly borders: GeoPermissibleObjects;
}

let loaded: Promise<Earth> | null = null;

/** Land, and borders between countries. */
export function loadEarth(): Promise<Earth> {
  loaded ??= read().catch((error: unknown) => {
    loaded = null;
    throw error;
  });
  return loaded;
}

async function read(): Promise<Earth> {
  const address = (await import("world-atlas/countries-50m.json?url")).default;
  const reply = await fetch(address);
  if (!reply.ok) throw new Error(`the shapes of the earth: ${reply.status}`);
  const atlas = (await reply.json()) as Topology<{ countries: GeometryCollection; land: GeometryCollection }>;
  return {
    land: feature(atlas, atlas.objects.land),
    borders: mesh(atlas, atlas.objects.countries, (a, b) => a !== b),
  };
}
