import { expect, test } from "vitest";

import { editorStorage } from "./storage";

function memory(): Storage {
  const map = new Map<string, string>();
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
    clear: () => map.clear(),
    key: (index) => [...map.keys()][index] ?? null,
    get length() {
      return map.size;
    },
  };
}

test("one viewer does not see what another wrote", () => {
  const storage = memory();
  editorStorage(storage, "ada").setItem("tabs", "secret");
  expect(editorStorage(storage, "bob").getItem("tabs")).toBeNull();
  expect(editorStorage(storage, "ada").getItem("tabs")).toBe("secret");
});

test("clearing touches the viewer's own keys only", () => {
  const storage = memory();
  const [ada, bob] = [editorStorage(storage, "ada"), editorStorage(storage, "bob")];
  ada.setItem("tabs", "a");
  bob.setItem("tabs", "b");
  ada.clear();
  expect([ada.length, bob.length]).toEqual([0, 1]);
});

test("after forgetting, a late write of the editor brings nothing back", () => {
  const storage = memory();
  storage.setItem("of another program", "stays");
  const ada = editorStorage(storage, "ada");
  ada.setItem("tabs", "a");
  ada.forget();
  ada.setItem("tabs", "a");
  expect([...Array(storage.length).keys()].map((index) => storage.key(index))).toEqual(["of another program"]);
});
