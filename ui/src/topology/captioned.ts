// A canvas as a picture to be taken away, with its caption below.

import { type Caption, flow } from "./caption";
import { tracePath } from "./glyphs";
import { readPalette } from "./palette";

const EDGE_PX = 14;
const LINE_PX = 22;
const GAP_PX = 18;
const MARK_PX = 14;

export async function captioned(canvas: HTMLCanvasElement, caption: Caption): Promise<Blob> {
  const ratio = canvas.clientWidth > 0 ? canvas.width / canvas.clientWidth : 1;
  const width = canvas.width / ratio;
  const palette = readPalette();
  const picture = new OffscreenCanvas(canvas.width, 1);
  const context = picture.getContext("2d");
  if (context === null) throw new Error("this browser draws no 2D canvas");
  const [strong, plain] = [`600 13px ${palette.font}`, `12px ${palette.font}`];
  const measured = (text: string, font: string) => {
    context.font = font;
    return context.measureText(text).width;
  };
  const pieces = [
    { text: caption.title, font: strong, state: null },
    ...caption.facts.map((text) => ({ text, font: plain, state: null })),
    ...caption.states.map(({ words, state }) => ({ text: words, font: plain, state })),
  ].map((piece) => ({ ...piece, width: measured(piece.text, piece.font) + (piece.state === null ? 0 : MARK_PX + 5) }));
  const { places, lines } = flow(
    pieces.map((piece) => piece.width),
    { room: width - 2 * EDGE_PX, gap: GAP_PX },
  );
  // Setting its size empties a canvas and forgets what was set on it.
  picture.height = canvas.height + Math.round((lines * LINE_PX + EDGE_PX) * ratio);
  context.fillStyle = palette.ground;
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, 0);
  context.setTransform(ratio, 0, 0, ratio, 0, canvas.height);
  context.fillStyle = palette.regionLine;
  context.fillRect(0, 0, width, 1);
  context.textBaseline = "middle";
  for (const [index, { text, font, state }] of pieces.entries()) {
    const { x = 0, line = 0 } = places[index] ?? {};
    const [left, middle] = [EDGE_PX + x, EDGE_PX / 2 + (line + 0.5) * LINE_PX];
    if (state !== null) {
      context.fillStyle = palette.states[state] ?? palette.quiet;
      context.beginPath();
      context.roundRect(left, middle - MARK_PX / 2, MARK_PX, MARK_PX, 3);
      context.fill();
      context.strokeStyle = palette.onState;
      context.lineWidth = 1.6;
      context.beginPath();
      tracePath(context, state, left, middle - MARK_PX / 2, MARK_PX);
      context.stroke();
    }
    context.font = font;
    context.fillStyle = palette.text;
    context.fillText(text, left + (state === null ? 0 : MARK_PX + 5), middle);
  }
  return picture.convertToBlob({ type: "image/png" });
}
