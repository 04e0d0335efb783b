// Who the requests of this page are made as, and the way out.

import { useState } from "react";

import { rolesInWords, signInUrl, signOut, type Viewer } from "../api/session";

interface HeaderProps {
  readonly viewer: Viewer | null;
  /** Called once the session has ended, before the page is left. */
  readonly onSignedOut: () => void;
}

export function Header({ viewer, onSignedOut }: HeaderProps) {
  const [problem, setProblem] = useState<string | null>(null);
  const leave = async () => {
    try {
      await signOut();
      onSignedOut();
      location.assign(signInUrl(location.pathname));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const roles = viewer ? rolesInWords(viewer.roles) : "";
  return (
    <header className="bar">
      <strong className="brand">EdgeAtlas</strong>
      <span className="where">Playground</span>
      <span className="spring" />
      {problem && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
      <span className="viewer" data-testid="viewer">
        Signed in{viewer && " as "}
        {viewer && <b>{viewer.name}</b>}
        {roles && <span className="roles"> · {roles}</span>}
      </span>
      <button type="button" className="leave" onClick={() => void leave()}>
        Sign out
      </button>
    </header>
  );
}
