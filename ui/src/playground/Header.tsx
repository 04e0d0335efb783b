// Who the requests of this page are made as, the way to the dashboard, and the way out.

import { useState } from "react";

import { rolesInWords, signInUrl, signOut, type Viewer } from "../api/session";
import { TOPOLOGY_PATH } from "../dashboard/routes";
import { t } from "../messages";

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
  const p = t.playground;
  return (
    <header className="bar">
      <strong className="brand">{t.shell.product}</strong>
      <h1 className="where">{p.title}</h1>
      <nav aria-label={p.pages}>
        <a href={TOPOLOGY_PATH}>{p.dashboard}</a>
      </nav>
      {problem && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
      <span className="viewer" data-testid="viewer">
        {viewer ? p.signedInAs : p.signedIn} {viewer && <b>{viewer.name}</b>}
        {roles && <span className="roles">{p.roles(roles)}</span>}
      </span>
      <button type="button" className="leave" onClick={() => void leave()}>
        {p.signOut}
      </button>
    </header>
  );
}
