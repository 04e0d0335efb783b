// An operation as it goes on: its progress as it comes, and the releases that it works on, or what became of
// them.

import { useEffect, useState } from "react";

import { createSocket } from "../api/graphql";
import { at, isRow, type Row } from "../lists/values";
import { t } from "../messages";
import { Outcomes } from "./Outcomes";
import { RelatedList } from "./RelatedList";

export const FOLLOW = `subscription Operation($id: ID!) {
  operation(id: $id) { id status progress { total done waiting failed } error { message } }
}`;

interface ProgressProps {
  readonly id: string;
  readonly kind: string;
  readonly facts: Row;
  /** The revision at which the operation last changed. */
  readonly generation: number;
}

export function OperationProgress({ id, kind, facts, generation }: ProgressProps) {
  const live = useOperation(id);
  const now = live ?? facts;
  const [total, done, waiting, failed] = ["total", "done", "waiting", "failed"].map((name) => Number(at(now, "progress", name) ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  const o = t.details.operation;
  const status = String(at(now, "status"));
  // Documents are applied in commits; what else works does so release by release.
  const documents = kind === "APPLY_DOCUMENTS";
  // One that changed nothing has no releases, and is done all the same.
  const nothing = total === 0 && status === "SUCCEEDED";
  const far = nothing ? o.nothing : documents ? o.commits(done, total) : o.done(done, total);
  return (
    <>
      <progress className="operation-progress" max={Math.max(total, 1)} value={nothing ? 1 : done} aria-label={o.title} />
      <p role="status">{[far, waiting > 0 ? o.waiting(waiting) : "", failed > 0 ? o.failed(failed) : ""].filter(Boolean).join("; ")}</p>
      {!nothing && !documents && (
        <>
          <h2>{o.releases}</h2>
          {UNDER_WAY.includes(status) ? (
            <RelatedList kind="releases" filter={{ operationId: { eq: id } }} without={[]} empty={o.noneNow} />
          ) : (
            <Outcomes id={id} generation={generation} />
          )}
        </>
      )}
    </>
  );
}

const UNDER_WAY: readonly string[] = ["RUNNING", "CANCELLING"];

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
