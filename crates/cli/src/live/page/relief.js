// Draw energies over a plane as a map: tints of height, light from the north-west, and lines of equal energy.

import { Scale, colours, ink, theme } from "./colours.js";
import { sharp, ticks } from "./pixels.js";
import { mark } from "./words.js";

const FINER = 4;
const LINES = 22;
const INDEX = 5;

/** A square grid of values from low to high, finer by cubic interpolation (Catmull & Rom 1974). */
export function refine(values, side) {
  const fine = (side - 1) * FINER + 1;
  const along = (get) => {
    const line = new Float32Array(fine);
    for (let k = 0; k < fine; k++) {
      const i = Math.min(Math.floor(k / FINER), side - 2);
      const t = k / FINER - i;
      const [a, b, c, d] = [i - 1, i, i + 1, i + 2].map((at) => get(Math.min(side - 1, Math.max(0, at))));
      line[k] = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
    }
    return line;
  };
  const rows = Array.from({ length: side }, (_, v) => along((u) => values[v * side + u]));
  const finer = new Float32Array(fine * fine);
  for (let u = 0; u < fine; u++) along((v) => rows[v][u]).forEach((value, v) => (finer[v * fine + u] = value));
  return { finer, fine };
}

/** Segments in which a value is crossed, as u, v pairs in cells of the grid. */
export function contour(grid, side, level) {
  const segments = [];
  for (let v = 0; v + 1 < side; v++) {
    for (let u = 0; u + 1 < side; u++) {
      const [here, above] = [v * side + u, (v + 1) * side + u];
      const corner = [grid[here], grid[here + 1], grid[above + 1], grid[above]];
      const cut = (i, j, at, to) => {
        if (corner[i] < level === corner[j] < level) return null;
        const t = (level - corner[i]) / (corner[j] - corner[i]);
        return [at[0] + t * (to[0] - at[0]), at[1] + t * (to[1] - at[1])];
      };
      const [sw, se, ne, nw] = [[u, v], [u + 1, v], [u + 1, v + 1], [u, v + 1]];
      const found = [cut(0, 1, sw, se), cut(1, 2, se, ne), cut(2, 3, ne, nw), cut(3, 0, nw, sw)].filter(Boolean);
      for (let k = 0; k + 1 < found.length; k += 2) segments.push([found[k], found[k + 1]]);
    }
  }
  return segments;
}

export class Relief {
  #canvas;
  #legend;
  #map = null;
  scale = new Scale();

  constructor(canvas, legend) {
    [this.#canvas, this.#legend] = [canvas, legend];
    for (const shown of [canvas, legend]) new ResizeObserver(() => this.draw()).observe(shown);
    theme.listeners.add(() => this.draw());
  }

  get known() {
    return this.#map !== null;
  }

  /** Takes energies, row by row from the lowest v; u and v go from `low` to `high`. */
  show(energies, side, low, high) {
    this.scale = new Scale();
    this.scale.see(energies);
    this.scale.balance(energies);
    this.#map = { energies, side, low, high, ...refine(energies, side) };
    this.draw();
  }

  /** The energy at a place of the plane, between its neighbours on the grid. */
  at(u, v) {
    const { energies, side, low, high } = this.#map;
    const cell = (t) => Math.min(side - 1, Math.max(0, ((t - low) / (high - low)) * (side - 1)));
    const [x, y] = [cell(u), cell(v)];
    const [i, j] = [Math.min(side - 2, Math.floor(x)), Math.min(side - 2, Math.floor(y))];
    const row = (k) => energies[k * side + i] + (x - i) * (energies[k * side + i + 1] - energies[k * side + i]);
    return row(j) + (y - j) * (row(j + 1) - row(j));
  }

  draw() {
    const { draw, width } = sharp(this.#canvas);
    if (!this.#map || !width) return;
    draw.imageSmoothingQuality = "high";
    draw.drawImage(this.#tinted(), 0, 0, width, width);
    this.#lines(draw, width);
    this.#key();
  }

  #tinted() {
    const { finer, fine } = this.#map;
    const image = new ImageData(fine, fine);
    const [table, level] = [colours(), Float32Array.from(finer, (e) => this.scale.at(e))];
    const slopes = this.#slopes(level, fine);
    for (let v = 0; v < fine; v++) {
      for (let u = 0; u < fine; u++) {
        const from = 3 * Math.round(255 * level[v * fine + u]);
        const to = 4 * ((fine - 1 - v) * fine + u);
        const light = 1 + 0.16 * Math.tanh(slopes[v * fine + u]);
        for (let k = 0; k < 3; k++) image.data[to + k] = table[from + k] * light;
        image.data[to + 3] = Number.isFinite(finer[v * fine + u]) ? 255 : 0;
      }
    }
    const canvas = new OffscreenCanvas(fine, fine);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  /** How much each place faces the light, in units of the usual slope. */
  #slopes(level, fine) {
    const slopes = new Float32Array(fine * fine);
    let sum = 0;
    for (let v = FINER; v + FINER < fine; v++) {
      for (let u = FINER; u + FINER < fine; u++) {
        const i = v * fine + u;
        const [east, west] = [level[i + FINER], level[i - FINER]];
        slopes[i] = east - west - (level[i + FINER * fine] - level[i - FINER * fine]);
        if (Number.isFinite(slopes[i])) sum += slopes[i] ** 2;
      }
    }
    const usual = Math.sqrt(sum / slopes.length) || 1;
    return slopes.map((slope, i) => {
      const [u, v] = [i % fine, Math.floor(i / fine)].map((at) => Math.min(fine - 1 - FINER, Math.max(FINER, at)));
      return slopes[v * fine + u] / usual;
    });
  }

  #lines(draw, width) {
    const { finer, fine, low, high } = this.#map;
    const levels = ticks(this.scale.low, this.scale.high, LINES);
    const step = levels.length > 1 ? levels[1] - levels[0] : 1;
    const place = ([u, v]) => [(u / (fine - 1)) * width, width - (v / (fine - 1)) * width];
    // None stands on a picture's mark.
    const along = (t) => ((t - low) / (high - low)) * width;
    const labels = [[0, 0], [1, 0], [0, 1]].map(([u, v]) => [along(u), width - along(v)]);
    draw.strokeStyle = ink("contour");
    for (const level of levels) {
      const index = Math.round(level / step) % INDEX === 0;
      const segments = contour(finer, fine, level).map((segment) => segment.map(place));
      draw.lineWidth = index ? 1.4 : 0.6;
      draw.beginPath();
      for (const [from, to] of segments) {
        draw.moveTo(...from);
        draw.lineTo(...to);
      }
      draw.stroke();
      if (index && segments.length > 24) this.#label(draw, segments, level, width, labels);
    }
  }

  /** Writes a level along its line, where there is room nearest to the middle. */
  #label(draw, segments, level, width, labels) {
    const room = ([x, y]) => x > 34 && y > 34 && x < width - 34 && y < width - 34;
    const free = (at) => room(at) && labels.every(([x, y]) => Math.hypot(x - at[0], y - at[1]) > 56);
    const middle = ([[a, b], [c, d]]) => [(a + c) / 2, (b + d) / 2];
    const away = (segment) => Math.hypot(...middle(segment).map((t) => t - width / 2));
    const best = segments.filter((segment) => free(middle(segment))).sort((a, b) => away(a) - away(b))[0];
    if (!best) return;
    const [[a, b], [c, d]] = best;
    labels.push(middle(best));
    let angle = Math.atan2(d - b, c - a);
    if (Math.abs(angle) > Math.PI / 2) angle += Math.PI;
    draw.save();
    draw.translate(...middle(best));
    draw.rotate(angle);
    draw.font = `600 12px ${getComputedStyle(this.#canvas).fontFamily}`;
    [draw.textAlign, draw.textBaseline, draw.lineJoin] = ["center", "middle", "round"];
    [draw.lineWidth, draw.strokeStyle, draw.fillStyle] = [3.5, ink("halo"), ink("on-map")];
    const text = mark(level);
    draw.strokeText(text, 0, 0);
    draw.fillText(text, 0, 0);
    draw.restore();
    draw.strokeStyle = ink("contour");
  }

  /** The colours with their energies. */
  #key() {
    const { draw, width } = sharp(this.#legend);
    const table = colours();
    for (let x = 0; x < width; x++) {
      const i = 3 * Math.round((255 * x) / width);
      draw.fillStyle = `rgb(${table[i]} ${table[i + 1]} ${table[i + 2]})`;
      draw.fillRect(x, 0, 1.5, 6);
    }
    draw.font = `11px ${getComputedStyle(this.#legend).fontFamily}`;
    [draw.fillStyle, draw.textAlign] = [ink("quiet"), "center"];
    let free = 0;
    for (const tick of ticks(this.scale.low, this.scale.high, 6)) {
      const x = this.scale.at(tick) * width;
      const text = mark(tick);
      const half = draw.measureText(text).width / 2;
      if (x - half < free || x + half > width) continue;
      draw.fillRect(x, 6, 1, 4);
      draw.fillText(text, x, 21);
      free = x + half + 10;
    }
    const say = `Colours from ${this.scale.text(this.scale.low)} to ${this.scale.text(this.scale.high)}`;
    this.#legend.setAttribute("aria-label", say);
  }
}
