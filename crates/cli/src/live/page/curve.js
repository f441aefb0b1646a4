// Draw metrics over the run on one canvas: thinned to pixels, with axes, gaps, and a cursor that all curves share.

import { ink, theme } from "./colours.js";
import { firstFrom } from "./history.js";
import { sharp, ticks } from "./pixels.js";
import { count, mark, short } from "./words.js";

const LEFT = 46;
const BOTTOM = 20;

/** How curves are shown, and where the cursor is (an iteration, or null). */
export const view = { over: "iterations", part: 1, smoothing: 0, cursor: null, curves: new Set() };

/** Draws all curves anew at the next chance. */
export function refresh() {
  for (const curve of view.curves) curve.stale();
}

let moves = false;
function move(iteration) {
  view.cursor = iteration;
  if (moves) return;
  moves = true;
  requestAnimationFrame(() => {
    moves = false;
    for (const curve of view.curves) curve.cursor();
  });
}

theme.listeners.add(refresh);

export class Curve {
  #canvas;
  #series;
  #history;
  #values;
  #log = false;
  #seen = false;
  #asked = false;
  #plot = null;
  #base = document.createElement("canvas");

  /** `series` of `history` are drawn, each in its `colour`; `values(places, pointed)` shows numbers. */
  constructor(canvas, series, history, values) {
    [this.#canvas, this.#series, this.#history, this.#values] = [canvas, series, history, values];
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    canvas.addEventListener("pointerleave", () => move(null));
    canvas.addEventListener("blur", () => move(null));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.stale()).observe(canvas);
    new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      if (this.#seen) this.stale();
    }).observe(canvas);
    view.curves.add(this);
  }

  set log(on) {
    this.#log = on;
    this.stale();
  }

  /** Whether a logarithm would tell more. */
  wide = false;

  #judge() {
    let [low, high] = [Infinity, -Infinity];
    for (const series of this.#series) {
      for (const value of series.values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    this.wide = low > 0 && high / low > 20;
  }

  stale() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      if (this.#seen) this.#draw();
      this.#tell();
    });
  }

  /** Only the cursor has moved. */
  cursor() {
    if (!this.#seen || !this.#plot) return;
    this.#blit();
    this.#tell();
  }

  #level(value) {
    if (!this.#log) return value;
    return value > 0 ? Math.log10(value) : NaN;
  }

  /** What is in view, and where it stands on the canvas. */
  #measure(width, height) {
    const xs = (series) => series[view.over];
    const filled = this.#series.filter((series) => xs(series).length > 0);
    if (!filled.length) return null;
    const [first, last] = this.#history.range(view.over);
    const from = last - view.part * (last - first);
    let [low, high] = [Infinity, -Infinity];
    for (const series of filled) {
      const values = series.smooth(view.smoothing);
      for (let i = firstFrom(xs(series), from); i < values.length; i++) {
        const level = this.#level(values[i]);
        if (level < low) low = level;
        if (level > high) high = level;
      }
    }
    if (low > high) [low, high] = [0, 1];
    const least = 0.02 * Math.abs(high) || 0.5;
    if (high - low < least) [low, high] = [low - least, high + least];
    const room = 0.06 * (high - low);
    [low, high] = [low - room, high + room];
    const across = Math.max(last - from, 1e-9);
    return {
      filled, from, last, low, high, width, height,
      x: (at) => LEFT + ((width - LEFT - 8) * (at - from)) / across,
      y: (level) => 6 + ((height - BOTTOM - 6) * (high - level)) / (high - low),
    };
  }

  #draw() {
    const { draw, width, height } = sharp(this.#canvas);
    if (!width) return;
    const plot = (this.#plot = this.#measure(width, height));
    if (!plot) return;
    this.#judge();
    draw.font = `11px ${getComputedStyle(this.#canvas).fontFamily}`;
    this.#axes(draw, plot);
    draw.save();
    draw.beginPath();
    draw.rect(LEFT - 3, 0, width - LEFT + 3, height - BOTTOM + 3);
    draw.clip();
    for (const rollback of this.#history.rollbacks) this.#dash(draw, plot, this.#across(rollback));
    for (const series of plot.filled) {
      if (view.smoothing > 0 && !series.sparse) this.#line(draw, plot, series, series.values, 0.22);
      this.#line(draw, plot, series, series.smooth(view.smoothing), 1);
    }
    draw.restore();
    [this.#base.width, this.#base.height] = [this.#canvas.width, this.#canvas.height];
    this.#base.getContext("2d").drawImage(this.#canvas, 0, 0);
    this.#blit();
  }

  #axes(draw, { from, last, low, high, x, y, width, height }) {
    draw.textBaseline = "middle";
    draw.textAlign = "right";
    for (const tick of ticks(low, high, Math.max(2, Math.round(height / 44)))) {
      if (this.#log && !Number.isInteger(tick) && high - low > 1) continue;
      draw.fillStyle = ink("line");
      draw.fillRect(LEFT, Math.round(y(tick)), width - LEFT - 8, 1);
      draw.fillStyle = ink("quiet");
      draw.fillText(this.#log ? short(10 ** tick) : mark(tick), LEFT - 7, y(tick));
    }
    draw.textAlign = "center";
    draw.textBaseline = "alphabetic";
    for (const tick of ticks(from, last, Math.max(2, Math.round(width / 72)))) {
      const text = view.over === "iterations" ? count(tick) : String(Number(tick.toPrecision(4)));
      const half = draw.measureText(text).width / 2;
      if (x(tick) + half > width || x(tick) - half < LEFT - 12) continue;
      draw.fillText(text, x(tick), height - 4);
    }
  }

  /** One line; of many points in a column of pixels the first, least, largest and last are drawn. */
  #line(draw, plot, series, values, strength) {
    const xs = series[view.over];
    const start = Math.max(0, firstFrom(xs, plot.from) - 1);
    draw.strokeStyle = ink(series.colour ?? "ink");
    [draw.lineWidth, draw.lineJoin, draw.globalAlpha] = [1.5, "round", strength];
    draw.beginPath();
    let [open, column] = [false, null];
    const flush = () => {
      if (!column) return;
      open ? draw.lineTo(column.x, plot.y(column.first)) : draw.moveTo(column.x, plot.y(column.first));
      if (column.many) for (const level of [column.low, column.high, column.last]) draw.lineTo(column.x, plot.y(level));
      [open, column] = [true, null];
    };
    for (let i = start; i < values.length; i++) {
      const level = this.#level(values[i]);
      if (!Number.isFinite(level)) {
        flush();
        open = false;
        continue;
      }
      const x = plot.x(xs[i]);
      if (column && Math.floor(x) === Math.floor(column.x)) {
        [column.low, column.high] = [Math.min(column.low, level), Math.max(column.high, level)];
        [column.last, column.many] = [level, true];
      } else {
        flush();
        column = { x, first: level, low: level, high: level, last: level, many: false };
      }
    }
    flush();
    draw.stroke();
    draw.globalAlpha = 1;
    if (series.sparse) this.#dots(draw, plot, series, values, start);
  }

  #dots(draw, plot, series, values, start) {
    draw.fillStyle = ink(series.colour ?? "ink");
    for (let i = start; i < values.length; i++) {
      const level = this.#level(values[i]);
      if (Number.isFinite(level)) draw.fillRect(plot.x(series[view.over][i]) - 1.75, plot.y(level) - 1.75, 3.5, 3.5);
    }
  }

  /** Where a rollback led to, on the axis in use. */
  #across({ to }) {
    if (view.over === "iterations") return to;
    const [series] = this.#series;
    return series.minutes[Math.max(0, series.nearest(to))] ?? NaN;
  }

  #dash(draw, plot, at) {
    [draw.strokeStyle, draw.lineWidth] = [ink("hot"), 1];
    draw.setLineDash([4, 4]);
    draw.beginPath();
    draw.moveTo(plot.x(at), 0);
    draw.lineTo(plot.x(at), plot.height - BOTTOM);
    draw.stroke();
    draw.setLineDash([]);
  }

  /** What was drawn, and the cursor over it. */
  #blit() {
    const { draw, height } = sharp(this.#canvas);
    draw.save();
    draw.setTransform(1, 0, 0, 1, 0, 0);
    draw.drawImage(this.#base, 0, 0);
    draw.restore();
    if (view.cursor === null) return;
    for (const series of this.#plot.filled) {
      const i = series.nearest(view.cursor);
      const x = this.#plot.x(series[view.over][i]);
      if (x < LEFT - 1) continue;
      draw.fillStyle = ink("faint");
      if (series === this.#plot.filled[0]) draw.fillRect(Math.round(x), 0, 1, height - BOTTOM);
      const level = this.#level(series.smooth(view.smoothing)[i]);
      if (!Number.isFinite(level)) continue;
      draw.fillStyle = ink(series.colour ?? "ink");
      draw.beginPath();
      draw.arc(x, this.#plot.y(level), 3.5, 0, 2 * Math.PI);
      draw.fill();
    }
  }

  #tell() {
    const place = (series) => (view.cursor === null ? series.values.length - 1 : series.nearest(view.cursor));
    const at = this.#series.map(place);
    this.#values(at, view.cursor !== null);
    const newest = this.#series.map((series) => `${series.name} ${short(series.values.at(-1))}`).join(", ");
    this.#canvas.setAttribute("aria-label", `${newest} at iteration ${count(this.#series[0].iterations.at(-1) ?? 0)}`);
  }

  #point(offset) {
    const plot = this.#plot;
    if (!plot) return;
    const share = (offset - LEFT) / (plot.width - LEFT - 8);
    const at = plot.from + share * (plot.last - plot.from);
    const [series] = plot.filled;
    const last = series.minutes.length - 1;
    const i = view.over === "iterations" ? series.nearest(at) : Math.min(firstFrom(series.minutes, at), last);
    const near = this.#history.rollbacks.find((rollback) => Math.abs(plot.x(this.#across(rollback)) - offset) < 5);
    this.#canvas.title = near ? went(near) : "";
    move(series.iterations[i]);
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.#plot) return;
    event.preventDefault();
    const [series] = this.#plot.filled;
    const here = view.cursor === null ? series.iterations.length : series.nearest(view.cursor);
    const next = Math.min(series.iterations.length - 1, Math.max(0, here + step * (event.shiftKey ? 10 : 1)));
    move(series.iterations[next]);
  }
}

/** A rollback in words. */
export function went({ from, to, why }) {
  return `Went back from iteration ${count(from)} to ${count(to)}: ${why}`;
}
