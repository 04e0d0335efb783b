// Text that fits. Measuring is the dearest thing a canvas does, and asking it for its font the next: widths are kept by
// font, for names repeat from frame to frame, and so is what of a name fitted its room last.

const MOST_KEPT = 20_000;
const ELLIPSIS = "…";
/** Of fewer letters nobody can tell what was meant. */
const LEAST_LETTERS = 5;

/** Where a text is cut: names of nodes differ at their ends. */
export type Cut = "end" | "middle";

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

interface Fitted {
  readonly room: number;
  readonly text: string;
}

/** What is known of texts in one font. */
interface Known {
  readonly widths: Map<string, number>;
  readonly fitted: Map<string, Fitted>;
}

export class TextWidths {
  private readonly fonts = new Map<string, Known>();
  private current: Known = { widths: new Map(), fitted: new Map() };
  private kept = 0;

  /** Forgets everything: the font has changed. */
  clear(): void {
    this.fonts.clear();
    this.current = { widths: new Map(), fitted: new Map() };
    this.kept = 0;
  }

  /** Writes in this font from now on; the others measure in it. */
  use(context: Context, font: string): void {
    context.font = font;
    // Fonts are of every size that a zoom passes through.
    if (this.kept >= MOST_KEPT) this.clear();
    let known = this.fonts.get(font);
    if (known === undefined) {
      known = { widths: new Map(), fitted: new Map() };
      this.fonts.set(font, known);
    }
    this.current = known;
  }

  /** The width of a text in the font that is used. */
  width(context: Context, text: string): number {
    const { widths } = this.current;
    const known = widths.get(text);
    if (known !== undefined) return known;
    const width = context.measureText(text).width;
    widths.set(text, width);
    this.kept += 1;
    return width;
  }

  /** As much of a text as has room, with an ellipsis where some is left out; empty where not even five letters have. */
  fitting(context: Context, text: string, room: number, cut: Cut = "end"): string {
    if (this.width(context, text) <= room) return text;
    const { fitted } = this.current;
    const last = fitted.get(text);
    if (last !== undefined && last.room === room) return last.text;
    const shorter = this.shortened(context, text, room, cut);
    if (last === undefined) this.kept += 1;
    fitted.set(text, { room, text: shorter });
    return shorter;
  }

  private shortened(context: Context, text: string, room: number, cut: Cut): string {
    const letter = this.width(context, "n");
    let length = Math.min(text.length - 1, Math.floor(room / (letter * 0.8)));
    while (length >= LEAST_LETTERS) {
      const shorter = shortened(text, length, cut);
      // What is left of spaces at the cut is no letter.
      if (shorter.length > LEAST_LETTERS && this.width(context, shorter) <= room) return shorter;
      length -= 1;
    }
    return "";
  }
}

function shortened(text: string, length: number, cut: Cut): string {
  if (cut === "end") return text.slice(0, length).trimEnd() + ELLIPSIS;
  const after = Math.floor(length / 2);
  return text.slice(0, length - after).trimEnd() + ELLIPSIS + text.slice(-after).trimStart();
}
