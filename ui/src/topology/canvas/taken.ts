// Where text stands already: words over words can be read by nobody.

/** What is taken in one frame. */
export class Taken {
  private readonly boxes: (readonly [number, number, number, number])[] = [];

  /** Takes a rectangle unless it touches one that was taken. */
  take(x: number, y: number, width: number, height: number): boolean {
    for (const [left, top, right, bottom] of this.boxes) {
      if (x < right && x + width > left && y < bottom && y + height > top) return false;
    }
    this.block(x, y, width, height);
    return true;
  }

  /** Takes a rectangle, whatever is there. */
  block(x: number, y: number, width: number, height: number): void {
    this.boxes.push([x, y, x + width, y + height]);
  }
}
