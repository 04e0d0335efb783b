// How far a deployment reaches: the sites that it runs at or is to run at, and the places with users that each of them
// serves, by the decision as it was made. A place has the name there that its policy gives it, and its position here.

export interface Reach {
  readonly name: string;
  readonly siteIds: readonly string[];
  readonly served: readonly Served[];
}

/** A place that a site serves. */
export interface Served {
  readonly siteId: string;
  readonly place: string;
  /** Degrees; null where the policy names a place that cannot be seen any more. */
  readonly position: Degrees | null;
  readonly latencyMs: number;
  /** Null where the limit is a distance. */
  readonly withinMs: number | null;
  readonly withinKm: number | null;
}

export interface Degrees {
  readonly longitude: number;
  readonly latitude: number;
}

/** What is asked of a deployment for it. */
export interface Decided {
  readonly name: string;
  readonly policy: {
    readonly latency: readonly {
      readonly place: {
        readonly name: string | null;
        readonly position: Degrees | null;
        readonly site: { readonly name: string; readonly position: Degrees | null } | null;
        readonly region: { readonly name: string; readonly centre: Degrees | null } | null;
      };
    }[];
  };
  readonly decision: {
    readonly placements: readonly {
      readonly site: { readonly id: string } | null;
      readonly serves: readonly Pick<Served, "place" | "latencyMs" | "withinMs" | "withinKm">[];
    }[];
  } | null;
}

export function reachOf({ name, policy, decision }: Decided, runsAt: Iterable<string>): Reach {
  const positions = new Map<string, Degrees | null>();
  for (const { place } of policy.latency) {
    const { position, site, region } = place;
    const called = place.name || site?.name || region?.name || (position ? inDegrees(position) : "");
    positions.set(called, position ?? site?.position ?? region?.centre ?? null);
  }
  const siteIds = new Set(runsAt);
  const served: Served[] = [];
  for (const { site, serves } of decision?.placements ?? []) {
    if (site === null) continue;
    siteIds.add(site.id);
    for (const each of serves) served.push({ ...each, siteId: site.id, position: positions.get(each.place) ?? null });
  }
  return { name, siteIds: [...siteIds], served };
}

/** A point without a name, as reasons call it. */
function inDegrees({ longitude, latitude }: Degrees): string {
  return `${latitude.toFixed(4)}, ${longitude.toFixed(4)}`;
}
