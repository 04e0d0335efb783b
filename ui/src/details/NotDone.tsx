// Why what was asked for was not done, read out at once.

import type { ReactNode } from "react";

import type { Told } from "./useSent";

interface NotDoneProps {
  /** Null: it was done, or nothing was asked for yet. */
  readonly told: Told | null;
  /** What is said besides, below the words. */
  readonly children?: ReactNode;
}

export function NotDone({ told, children }: NotDoneProps) {
  if (told === null) return null;
  return (
    <div role="alert" className="plan-told">
      <p>{told.message}</p>
      {children}
    </div>
  );
}
