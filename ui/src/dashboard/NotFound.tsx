import { Link } from "wouter";

import { t } from "../messages";
import { TOPOLOGY_PATH } from "./routes";

/** An address that names no page. */
export function NotFound() {
  return (
    <div className="notice">
      <h1>{t.shell.notFound}</h1>
      <p>
        <Link href={TOPOLOGY_PATH}>{t.shell.notFoundRemedy}</Link>
      </p>
    </div>
  );
}
