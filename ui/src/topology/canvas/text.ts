// Text that fits. Measuring is the dearest thing a canvas does, so widths are kept; names repeat from frame to frame.

const MOST_KEPT = 20_000;
const ELLIPSIS = "…";

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

export class TextWidths {
  private readonly kept = new Map<string, number>();

  /** Forgets everything: the font has changed. */
  clear(): void {
    this.kept.clear();
  }

  /** The width of a text in the context's font. */
  width(context: Context, text: string): number {
    const key = `${context.font}|${text}`;
    const known = this.kept.get(key);
    if (known !== undefined) return known;
    if (this.kept.size >= MOST_KEPT) this.kept.clear();
    const width = context.measureText(text).width;
    this.kept.set(key, width);
    return width;
  }

  /** As much of a text as has room, with an ellipsis where some is left out; empty where not even three letters have. */
  fitting(context: Context, text: string, room: number): string {
    if (this.width(context, text) <= room) return text;
    const letter = this.width(context, "n");
    let length = Math.min(text.length - 1, Math.floor(room / (letter * 0.8)));
    while (length >= 3) {
      const shorter = text.slice(0, length).trimEnd() + ELLIPSIS;
      if (this.width(context, shorter) <= room) return shorter;
      length -= 1;
    }
    return "";
  }
}
