// Who is signed in, and how to stop being so. The browser never holds a token: the session is an HttpOnly cookie, and
// the header below proves that a page of this origin made the request (a foreign page cannot set it without the
// server's leave, which is never given).

export const CSRF_HEADER = "X-EdgeAtlas-CSRF";
export const CSRF_VALUE = "1";

const SIGN_IN_PATH = "/auth/login";
const SIGN_OUT_PATH = "/auth/logout";

/** A role of the viewer; `tenant` is null where it holds in all tenants. */
export interface ViewerRole {
  readonly role: string;
  readonly tenant: string | null;
}

/** The signed-in caller as the header shows it. */
export interface Viewer {
  readonly name: string;
  readonly roles: readonly ViewerRole[];
}

/** The request's session is missing or has ended. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";
  constructor() {
    super("Your session has ended. Sign in again to go on.");
  }
}

/** Where signing in leads back to `next`, a path of this origin. */
export function signInUrl(next: string): string {
  return `${SIGN_IN_PATH}?next=${encodeURIComponent(next)}`;
}

export const VIEWER_QUERY = "query Viewer { viewer { name roles { role tenant { name } } } }";

/**
 * The viewer from the data of `VIEWER_QUERY`, or null where the answer has another shape: the page is of use without
 * the name in its corner, so nothing here throws.
 */
export function viewerFrom(data: unknown): Viewer | null {
  const viewer = field(data, "viewer");
  const name = field(viewer, "name");
  if (typeof name !== "string") return null;
  const roles = field(viewer, "roles");
  return {
    name,
    roles: (Array.isArray(roles) ? roles : []).flatMap((each): ViewerRole[] => {
      const role = field(each, "role");
      const tenant = field(field(each, "tenant"), "name");
      return typeof role === "string" ? [{ role, tenant: typeof tenant === "string" ? tenant : null }] : [];
    }),
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The roles in words: `admin everywhere, developer in media`. */
export function rolesInWords(roles: readonly ViewerRole[]): string {
  return roles
    .map(({ role, tenant }) => {
      const words = role.toLowerCase().replaceAll("_", "-");
      return tenant === null ? `${words} everywhere` : `${words} in ${tenant}`;
    })
    .join(", ");
}

/** Ends the session on the server. Throws when it refuses. */
export async function signOut(): Promise<void> {
  const reply = await fetch(SIGN_OUT_PATH, {
    method: "POST",
    credentials: "same-origin",
    headers: { [CSRF_HEADER]: CSRF_VALUE },
  });
  if (!reply.ok && reply.status !== 401) {
    throw new Error(`The server answered ${reply.status} to signing out; the session may still be open.`);
  }
}
