// What the live picture asks for. A plain text, not a typed document: the tables are read into typed arrays by hand.

const TABLES = `
  regions { ids names displayNames parentIds levels longitudes latitudes labels }
  sites { ids names displayNames regionIds ordinals tiers roles longitudes latitudes healths schedulable labels }
  nodes { ids names siteIds ordinals arches statuses schedulable labels }
  links { ids fromSiteIds toSiteIds latenciesMs bandwidthsMbps states }
  instances { ids names siteIds nodeIds releaseIds statuses }`;

/** The subscription of the dashboard: a snapshot, then deltas. */
export const TOPOLOGY = `subscription Topology($after: String, $maxRateHz: Float!) {
  topology(after: $after, maxRateHz: $maxRateHz) {
    __typename
    ... on TopologySnapshot { revision cursor ${TABLES} }
    ... on TopologyDelta { revision follows cursor removedIds ${TABLES} }
    ... on TopologyHeartbeat { revision cursor }
    ... on TopologyResync { revision reason }
  }
}`;
