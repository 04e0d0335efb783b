import { describe, expect, it } from "vitest";

import { TextWidths } from "./text";

/** A context in whose fonts each letter is as wide as the font's size. */
function context() {
  const made = {
    font: "",
    measured: 0,
    measureText(text: string) {
      made.measured += 1;
      return { width: text.length * Number.parseFloat(made.font) };
    },
  };
  return made;
}

const drawing = (made: ReturnType<typeof context>) => made as unknown as CanvasRenderingContext2D;

describe("texts", () => {
  it("are measured once a font", () => {
    const [text, made] = [new TextWidths(), context()];
    for (const font of ["10px a", "12px a", "10px a", "12px a"]) {
      text.use(drawing(made), font);
      expect(text.width(drawing(made), "abc")).toBe(3 * Number.parseFloat(font));
    }
    expect(made.measured).toBe(2);
  });

  it("are cut to their room with an ellipsis, and left out where not even five letters have room", () => {
    const [text, made] = [new TextWidths(), context()];
    text.use(drawing(made), "10px a");
    expect(text.fitting(drawing(made), "abcdefgh", 80)).toBe("abcdefgh");
    expect(text.fitting(drawing(made), "abcdefgh", 70)).toBe("abcdef…");
    expect(text.fitting(drawing(made), "abcdefgh", 60)).toBe("abcde…");
    expect(text.fitting(drawing(made), "abcdefgh", 59)).toBe("");
    expect(text.fitting(drawing(made), "abc", 30)).toBe("abc");
    expect(text.fitting(drawing(made), "Isle of Man", 60)).toBe("");
    expect(text.fitting(drawing(made), "Isle of Man", 80)).toBe("Isle of…");
  });

  it("are cut in their middle where their ends tell them apart", () => {
    const [text, made] = [new TextWidths(), context()];
    text.use(drawing(made), "10px a");
    expect(text.fitting(drawing(made), "stockholm-3-node-12", 110, "middle")).toBe("stock…de-12");
    expect(text.fitting(drawing(made), "stockholm-3-node-12", 50, "middle")).toBe("");
  });

  it("fit anew when their room is another", () => {
    const [text, made] = [new TextWidths(), context()];
    text.use(drawing(made), "10px a");
    expect([60, 60, 70, 60].map((room) => text.fitting(drawing(made), "abcdefgh", room))).toEqual(["abcde…", "abcde…", "abcdef…", "abcde…"]);
  });
});
