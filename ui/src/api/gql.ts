// Typed documents: `graphql("query …")` knows its variables and its answer from the API's schema. The types are written
// by `npm run typecheck` from schema/schema.graphql and are not kept.

import { initGraphQLTada } from "gql.tada";

import type { introspection } from "../../generated/graphql-env";

export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { BigInt: number; DateTime: string; JSON: unknown };
}>();

export { readFragment } from "gql.tada";
export type { FragmentOf, ResultOf, VariablesOf } from "gql.tada";
