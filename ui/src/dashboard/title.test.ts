import { expect, test } from "vitest";

import { titleOf } from "./useTitle";

test("a title says what is shown first and the product last", () => {
  expect(titleOf("arena", "Deployment")).toBe("arena · Deployment · EdgeAtlas");
  expect(titleOf("")).toBe("EdgeAtlas");
});
