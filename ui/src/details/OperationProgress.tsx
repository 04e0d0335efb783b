// An operation as it goes on: its progress as it comes, and the releases that it works on.

import { useEffect, useState } from "react";

import { createSocket } from "../api/graphql";
import { at, isRow, type Row } from "../lists/values";
import { t } from "../messages";
import { RelatedList } from "./RelatedList";

export const FOLLOW = `subscription Operation($id: ID!) {
  operation(id: $id) { id status progress { total done waiting failed } error { message } }
}`;

export function OperationProgress({ id, facts }: { readonly id: string; readonly facts: Row }) {
  const live = useOperation(id);
  const progress = at(live ?? facts, "progress");
  const [total, done, waiting, failed] = ["total", "done", "waiting", "failed"].map((name) => Number(at(progress, name) ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  const o = t.details.operation;
  // One that changed nothing has no releases, and is done all the same.
  const nothing = total === 0 && at(live ?? facts, "status") === "SUCCEEDED";
  return (
    <>
      <progress className="operation-progress" max={Math.max(total, 1)} value={nothing ? 1 : done} aria-label={o.title} />
      <p role="status">
        {[nothing ? o.nothing : o.done(done, total), waiting > 0 ? o.waiting(waiting) : "", failed > 0 ? o.failed(failed) : ""].filter(Boolean).join("; ")}
      </p>
      <h2>{o.releases}</h2>
      <RelatedList kind="releases" filter={{ operationId: { eq: id } }} without={[]} />
    </>
  );
}

/** The operation as the server tells it, until it has ended. */
function useOperation(id: string): Row | null {
  const [operation, setOperation] = useState<Row | null>(null);
  useEffect(() => {
    const client = createSocket(location.origin, { retryAttempts: 100 });
    const stop = client.subscribe<{ operation: unknown }>(
      { query: FOLLOW, variables: { id } },
      {
        next: (result) => {
          const found = result.data?.operation;
          if (isRow(found)) setOperation(found);
        },
        // An ended operation has nothing to follow: its facts are on the page already.
        error: () => undefined,
        complete: () => undefined,
      },
    );
    return () => {
      stop();
      void client.dispose();
    };
  }, [id]);
  return operation;
}
