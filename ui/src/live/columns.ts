// Columns that grow. A row keeps its number for as long as its entity lives, so everything that is computed from rows (a
// slot, a bit of a match) can be kept by number; the number of a row that is gone is given to the next new one.

type Typed = Uint8Array | Int32Array | Float32Array | Float64Array;
type TypedConstructor<T extends Typed> = new (length: number) => T;

/** A typed array of at least `size` entries with the entries of `array`; twice as long as before when it must grow. */
export function grown<T extends Typed>(array: T, size: number, fill = 0): T {
  if (array.length >= size) return array;
  const larger = new (array.constructor as TypedConstructor<T>)(Math.max(16, size, array.length * 2));
  larger.set(array as never);
  if (fill !== 0) larger.fill(fill as never, array.length);
  return larger;
}

/** Row numbers by id. */
export class Rows {
  /** Ids by row; an empty text where there is no row any more. */
  readonly ids: string[] = [];
  private readonly rows = new Map<string, number>();
  private readonly free: number[] = [];

  /** Rows that there are. */
  get size(): number {
    return this.rows.size;
  }

  /** One more than the largest row number in use so far: what loops run to and arrays must hold. */
  get limit(): number {
    return this.ids.length;
  }

  /** The row of an id, or -1. */
  rowOf(id: string): number {
    return this.rows.get(id) ?? -1;
  }

  has(row: number): boolean {
    return row >= 0 && row < this.ids.length && this.ids[row] !== "";
  }

  /** The row of an id, a new one if need be. */
  take(id: string): number {
    const known = this.rows.get(id);
    if (known !== undefined) return known;
    const row = this.free.pop() ?? this.ids.length;
    this.ids[row] = id;
    this.rows.set(id, row);
    return row;
  }

  /** Lets go of an id's row. */
  drop(row: number): void {
    const id = this.ids[row];
    if (id === undefined || id === "") return;
    this.rows.delete(id);
    this.ids[row] = "";
    this.free.push(row);
  }
}
