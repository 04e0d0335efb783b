import { describe, expect, test } from "vitest";

import { Keeping } from "./keeping";
import { FORM, type KeptLayout } from "./keptLayout";

class Memory implements Storage {
  readonly items = new Map<string, string>();
  most = Infinity;

  get length(): number {
    return this.items.size;
  }

  clear(): void {
    this.items.clear();
  }

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null;
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }

  setItem(key: string, value: string): void {
    if (value.length > this.most) throw new DOMException("full", "QuotaExceededError");
    this.items.set(key, value);
  }
}

function layout(id: string, form = FORM): KeptLayout {
  return { form, world: [0, null, 0, 0, 0, 0, 0, []], regions: [], sites: [{ id, at: [0, 0, 0, 0, 0, 0], runs: [] }] };
}

describe("what is kept", () => {
  test("is the tab's own, and what another tab left where it has none", () => {
    const browser = new Memory();
    const [one, other] = [new Keeping({ tab: new Memory(), browser }), new Keeping({ tab: new Memory(), browser })];
    one.keepPlaces(layout("one"));
    expect(other.places()).toEqual(layout("one"));
    other.keepPlaces(layout("other"));
    expect(one.places()).toEqual(layout("one"));
    one.keepView({ x: 1, y: 2, scale: 3 });
    expect(one.view()).toEqual({ x: 1, y: 2, scale: 3 });
    expect(other.view()).toBeNull();
  });

  test("is left alone in another form, broken, or of no sense", () => {
    const tab = new Memory();
    const keeping = new Keeping({ tab, browser: null });
    keeping.keepPlaces(layout("one", "0 of before"));
    expect(keeping.places()).toBeNull();
    keeping.keepView({ x: Number.NaN, y: 0, scale: 1 });
    expect(keeping.view()).toBeNull();
    for (const key of tab.items.keys()) tab.items.set(key, "{");
    expect([keeping.places(), keeping.view()]).toEqual([null, null]);
  });

  test("is nothing where there is no room, nor what was kept before", () => {
    const tab = new Memory();
    const keeping = new Keeping({ tab, browser: null });
    keeping.keepPlaces(layout("one"));
    tab.most = 10;
    keeping.keepPlaces(layout("two"));
    expect(keeping.places()).toBeNull();
    tab.most = Infinity;
    keeping.keepPlaces(layout("one"));
    keeping.keepPlaces(layout("x".repeat(2_000_000)));
    expect(keeping.places()).toBeNull();
  });

  test("is nothing in a browser that keeps nothing", () => {
    const keeping = new Keeping({ tab: null, browser: null });
    keeping.keepPlaces(layout("one"));
    keeping.keepView({ x: 0, y: 0, scale: 1 });
    expect([keeping.places(), keeping.view()]).toEqual([null, null]);
  });
});
