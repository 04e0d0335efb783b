// Room within a rectangle, shelf by shelf: a box that was put somewhere stays there, and one that is given back is given
// to the next that fits. Nothing here ever moves what has been put, which is why a picture made of it does not jump.

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Shelves as plain numbers: their width and height (null where there is no end), what is begun, what is used, what is free. */
export type KeptShelves = readonly [
  width: number,
  height: number | null,
  x: number,
  y: number,
  shelf: number,
  usedWidth: number,
  usedHeight: number,
  free: readonly number[],
];

export class Shelves {
  private x = 0;
  private y = 0;
  private shelf = 0;
  private readonly free: Box[] = [];
  /** The extent of what was put so far. */
  usedWidth = 0;
  usedHeight = 0;

  /** `height` may be infinite: a world that grows downwards. `gap` is kept between boxes. */
  constructor(
    private readonly width: number,
    private readonly height: number,
    private readonly gap: number,
  ) {}

  /** The shelves as they were kept. */
  static of([width, height, x, y, shelf, usedWidth, usedHeight, free]: KeptShelves, gap: number): Shelves {
    const shelves = new Shelves(width, height ?? Infinity, gap);
    Object.assign(shelves, { x, y, shelf, usedWidth, usedHeight });
    for (let at = 0; at + 3 < free.length; at += 4) {
      const [boxX = 0, boxY = 0, boxWidth = 0, boxHeight = 0] = free.slice(at, at + 4);
      shelves.free.push({ x: boxX, y: boxY, width: boxWidth, height: boxHeight });
    }
    return shelves;
  }

  /** What to make the same shelves from. */
  kept(): KeptShelves {
    const { width, height, x, y, shelf, usedWidth, usedHeight } = this;
    const free = this.free.flatMap((box) => [box.x, box.y, box.width, box.height]);
    return [width, Number.isFinite(height) ? height : null, x, y, shelf, usedWidth, usedHeight, free];
  }

  /** A place for a box, or null when there is none. */
  put(width: number, height: number): Box | null {
    const again = this.takeFree(width, height);
    if (again !== null) return again;
    let { x, y, shelf } = this;
    if (x > 0 && x + width > this.width) {
      y += shelf + this.gap;
      x = 0;
      shelf = 0;
    }
    if (x + width > this.width || y + height > this.height) return null;
    this.x = x + width + this.gap;
    this.y = y;
    this.shelf = Math.max(shelf, height);
    this.usedWidth = Math.max(this.usedWidth, x + width);
    this.usedHeight = Math.max(this.usedHeight, y + height);
    return { x, y, width, height };
  }

  /** Gives a box back. */
  giveBack(box: Box): void {
    this.free.push(box);
  }

  /** The same shelves within more room: what was put stays. */
  within(width: number, height: number): Shelves {
    const larger = new Shelves(width, height, this.gap);
    larger.x = this.x;
    larger.y = this.y;
    larger.shelf = this.shelf;
    larger.usedWidth = this.usedWidth;
    larger.usedHeight = this.usedHeight;
    larger.free.push(...this.free);
    return larger;
  }

  private takeFree(width: number, height: number): Box | null {
    let best = -1;
    for (const [index, box] of this.free.entries()) {
      if (box.width < width || box.height < height) continue;
      const chosen = this.free[best];
      if (chosen === undefined || box.width * box.height < chosen.width * chosen.height) best = index;
    }
    const [box] = best < 0 ? [] : this.free.splice(best, 1);
    return box ?? null;
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The width at which boxes, those of several lists together, are about `aspect` times as wide as high. */
export function widthFor(lists: readonly (readonly Size[])[], { gap, aspect }: { readonly gap: number; readonly aspect: number }): number {
  let area = 0;
  for (const size of lists.flat()) area += (size.width + gap) * (size.height + gap);
  return Math.sqrt(area * aspect);
}

/** Puts boxes, in their order, on shelves of a width, or of the widest box's; their places by index, and the shelves. */
export function pack(
  sizes: readonly Size[],
  { gap, width }: { readonly gap: number; readonly width: number },
): { readonly places: readonly Box[]; readonly shelves: Shelves } {
  const widest = sizes.reduce((most, size) => Math.max(most, size.width), 0);
  const shelves = new Shelves(Math.max(widest, width), Infinity, gap);
  const places = sizes.map((size) => {
    const place = shelves.put(size.width, size.height);
    if (place === null) throw new Error("a box is wider than the widest");
    return place;
  });
  return { places, shelves };
}
