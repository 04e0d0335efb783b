// What is shown in place of a page that threw: never a blank screen.

import { Component, type ReactNode } from "react";

import { t } from "../messages";

interface FailureProps {
  readonly children: ReactNode;
}

export class Failure extends Component<FailureProps, { readonly problem: Error | null }> {
  override state: { readonly problem: Error | null } = { problem: null };

  static getDerivedStateFromError(problem: unknown): { problem: Error } {
    return { problem: problem instanceof Error ? problem : new Error(String(problem)) };
  }

  override render(): ReactNode {
    const { problem } = this.state;
    if (problem === null) return this.props.children;
    return (
      <div className="notice" role="alert">
        <h1>{t.shell.failed}</h1>
        <p>{t.shell.failedRemedy}</p>
        <pre>{problem.message}</pre>
        <button type="button" onClick={() => location.reload()}>
          {t.shell.reload}
        </button>
      </div>
    );
  }
}
