import { Link } from "wouter";

import { t } from "../messages";
import { TOPOLOGY_PATH } from "./routes";
import { useTitle } from "./useTitle";

/** An address that names no page. */
export function NotFound() {
  useTitle(t.shell.notFound);
  return (
    <div className="notice">
      <h1>{t.shell.notFound}</h1>
      <p>
        <Link href={TOPOLOGY_PATH}>{t.shell.notFoundRemedy}</Link>
      </p>
    </div>
  );
}
