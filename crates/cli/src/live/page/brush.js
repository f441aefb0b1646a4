// Paint one stroke into an image, and remember what it drew and what it erased.

/** What a brush leaves at a pixel: a number for each channel. */
export function paintOf(tool, ink, channels) {
  if (tool === "draw") return () => ink;
  const level = { black: 0, grey: 0.5 }[tool];
  if (level !== undefined) return () => Array(channels).fill(level);
  return () => Array.from({ length: channels }, Math.random);
}

/** A stroke of a round brush with an edge as wide as a pixel; where it crosses itself nothing is painted twice. */
export class Stroke {
  #shape;
  #radius;
  #paint;
  #tool;
  #cover;
  #last = null;

  constructor(shape, { size, tool, ink }) {
    [this.#shape, this.#radius, this.#tool] = [shape, size / 2, tool];
    this.#paint = paintOf(tool, ink, shape[0]);
    this.#cover = new Float32Array(shape[1] * shape[2]);
  }

  /** Goes on to a point, in pixels, and calls `touched(i)` for each pixel it changes. */
  to(x, y, image, touched) {
    const [fromX, fromY] = this.#last ?? [x, y];
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(x - fromX, y - fromY)));
    for (let i = this.#last ? 1 : steps; i <= steps; i++) {
      this.#dab(fromX + ((x - fromX) * i) / steps, fromY + ((y - fromY) * i) / steps, image, touched);
    }
    this.#last = [x, y];
  }

  #dab(x, y, image, touched) {
    const [, h, w] = this.#shape;
    const reach = this.#radius + 1;
    for (let row = Math.max(0, Math.floor(y - reach)); row <= Math.min(h - 1, y + reach); row++) {
      for (let column = Math.max(0, Math.floor(x - reach)); column <= Math.min(w - 1, x + reach); column++) {
        const away = Math.hypot(column + 0.5 - x, row + 0.5 - y);
        this.#blend(row * w + column, Math.min(1, Math.max(0, this.#radius + 0.5 - away)), image, touched);
      }
    }
  }

  #blend(i, cover, image, touched) {
    const before = this.#cover[i];
    if (cover <= before) return;
    this.#cover[i] = cover;
    const share = (cover - before) / (1 - before);
    const size = this.#cover.length;
    this.#paint().forEach((value, channel) => {
      image[channel * size + i] += share * (value - image[channel * size + i]);
    });
    touched(i);
  }

  /** Marks this stroke in the maps of what was drawn and of what was erased. */
  mark(drawn, erased) {
    this.#cover.forEach((cover, i) => {
      if (cover < 0.5) return;
      drawn[i] = Number(this.#tool === "draw");
      erased[i] = Number(this.#tool !== "draw");
    });
  }
}
