// Where everything stands and from where one looks, apart from the page that shows it: whoever goes to another page and
// comes back finds both as they were, and what changed meanwhile at its place. Over a reload they are kept in the browser.
//
// Everything is shown at first as soon as there is something to show and a size to show it in, whichever comes last: what
// is fitted into a picture without a size is a dot.

import type { Place, StructureListener } from "../live/tables";
import type { Topology } from "../live/topology";
import type { Live } from "../live/useTopology";
import type { Box } from "./boxes";
import { boxOfPlace } from "./boxOfPlace";
import { Camera, type View } from "./camera";
import { Keeping } from "./keeping";
import { SlotLayout } from "./layout";

export class Stage implements StructureListener {
  readonly layout: SlotLayout;
  readonly camera = new Camera();
  private sized = false;
  private looked = false;
  /** From where one looked before a reload, until that is taken up. */
  private before: View | null = null;
  private kept = { places: -1, view: -1 };

  constructor(
    private readonly topology: Topology,
    private readonly keeping = new Keeping(),
  ) {
    this.layout = new SlotLayout(topology);
    topology.listen(this);
    if (topology.structureVersion > 0) this.lay();
  }

  /** The picture has this size now, in CSS pixels; one that is not shown has none. */
  resize(width: number, height: number): void {
    if (width <= 0 || height <= 0) return;
    this.camera.resize(width, height);
    this.sized = true;
    this.lookFirst();
  }

  changed(added: readonly Place[], removed: readonly Place[]): void {
    this.layout.changed(added, removed);
    this.lookFirst();
  }

  reset(): void {
    this.lay();
    this.lookFirst();
  }

  /** Shows everything. */
  fit(): void {
    this.camera.fit(this.whole());
  }

  /** Shows a thing and something around it. */
  show(place: Place): void {
    const box = boxOfPlace(this.topology, this.layout, place);
    if (box) this.camera.fit(box);
  }

  /** Lays everything out anew, and shows it. */
  arrange(): void {
    this.layout.reset();
    this.camera.bounds(this.whole());
    this.fit();
  }

  /** Keeps over a reload what has changed since it was last kept. */
  keep(): void {
    if (this.topology.sites.size === 0 || !this.looked) return;
    if (this.kept.places !== this.layout.version) this.keeping.keepPlaces(this.layout.kept());
    if (this.kept.view !== this.camera.version) this.keeping.keepView(this.camera);
    this.kept = { places: this.layout.version, view: this.camera.version };
  }

  private lay(): void {
    const places = this.topology.sites.size > 0 ? this.keeping.places() : null;
    const known = places !== null && this.layout.restore(places);
    if (!known) this.layout.reset();
    // A view is of use where things are where they were.
    this.before = known ? this.keeping.view() : null;
  }

  private lookFirst(): void {
    if (!this.sized || this.layout.width === 0) return;
    this.camera.bounds(this.whole());
    if (this.looked) return;
    if (this.before === null) this.fit();
    else this.camera.look(this.before);
    this.looked = true;
  }

  private whole(): Box {
    return { x: 0, y: 0, width: this.layout.width, height: this.layout.height };
  }
}

const stages = new WeakMap<Live, Stage>();

/** The stage of a live picture, the same for as long as the document stands. */
export function stageOf(live: Live): Stage {
  let stage = stages.get(live);
  if (stage === undefined) {
    const made = new Stage(live.topology);
    addEventListener("pagehide", () => made.keep());
    stages.set(live, made);
    stage = made;
  }
  return stage;
}
