import { expect, test } from "vitest";

import { rolesInWords, signInUrl, viewerFrom } from "./session";

test("signing in leads back to the page", () => {
  expect(signInUrl("/playground?a=b&c")).toBe("/auth/login?next=%2Fplayground%3Fa%3Db%26c");
});

test("the viewer is read with the roles and where they hold", () => {
  const data = { viewer: { name: "Ada", roles: [{ role: "ADMIN", tenant: null }, { role: "TENANT_ADMIN", tenant: { name: "media" } }] } };
  const viewer = viewerFrom(data);
  expect(viewer?.name).toBe("Ada");
  expect(rolesInWords(viewer?.roles ?? [])).toBe("admin everywhere, tenant-admin in media");
});

test.each([[undefined], [null], [{}], [{ viewer: null }], [{ viewer: { name: 3 } }], ["text"]])(
  "no viewer is read from %j",
  (data) => {
    expect(viewerFrom(data)).toBeNull();
  },
);

test("roles of another shape are left out", () => {
  expect(viewerFrom({ viewer: { name: "Ada", roles: [null, 3, { role: 1 }, { role: "GUEST" }] } })?.roles).toEqual([
    { role: "GUEST", tenant: null },
  ]);
});
