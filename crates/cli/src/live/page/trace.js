// Draw the playground's energy over time, with a mark at each stroke.

import { ink, scale, theme } from "./colours.js";
import { sharp, ticks } from "./pixels.js";
import { mark } from "./words.js";

const KEPT = 480;

export class Trace {
  #canvas;
  #points = [];
  #drew = false;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    theme.listeners.add(() => this.#draw());
  }

  /** Begins anew: another picture was taken. */
  clear() {
    [this.#points, this.#drew] = [[], false];
  }

  /** Says that somebody draws before the next energy. */
  mark() {
    this.#drew = true;
  }

  add(energy) {
    this.#points.push({ energy, drew: this.#drew });
    this.#drew = false;
    if (this.#points.length > KEPT) this.#points.splice(0, this.#points.length - KEPT);
    this.#draw();
  }

  #draw() {
    const { draw, width, height } = sharp(this.#canvas);
    const finite = this.#points.map((point) => point.energy).filter(Number.isFinite);
    if (!width || !finite.length) return;
    let [low, high] = [Math.min(...finite), Math.max(...finite)];
    const least = Math.max(1e-6, 0.08 * (scale.high - scale.low) || 0);
    if (high - low < least) [low, high] = [low - least / 2, high + least / 2];
    const [left, top, bottom] = [46, 6, height - 12];
    const many = Math.max(this.#points.length - 1, 60);
    const x = (i) => left + ((width - left - 6) * i) / many;
    const y = (energy) => bottom - ((bottom - top) * (energy - low)) / (high - low);
    this.#axis(draw, ticks(low, high, 3), y, left, width);
    this.#line(draw, x, y);
    this.#points.forEach((point, i) => point.drew && this.#sign(draw, x(i), bottom));
    const last = this.#points.length - 1;
    if (!Number.isFinite(this.#points[last].energy)) return;
    draw.fillStyle = scale.css(this.#points[last].energy);
    draw.beginPath();
    draw.arc(x(last), y(this.#points[last].energy), 4, 0, 2 * Math.PI);
    draw.fill();
  }

  #axis(draw, values, y, left, width) {
    draw.font = `11px ${getComputedStyle(this.#canvas).fontFamily}`;
    draw.textAlign = "right";
    draw.textBaseline = "middle";
    for (const value of values) {
      draw.fillStyle = ink("line");
      draw.fillRect(left, Math.round(y(value)), width - left, 1);
      draw.fillStyle = ink("quiet");
      draw.fillText(mark(value), left - 8, y(value));
    }
  }

  #line(draw, x, y) {
    [draw.strokeStyle, draw.lineWidth, draw.lineJoin] = [ink("ink"), 1.6, "round"];
    draw.beginPath();
    let on = false;
    this.#points.forEach(({ energy }, i) => {
      if (!Number.isFinite(energy)) return (on = false);
      if (on) draw.lineTo(x(i), y(energy));
      else draw.moveTo(x(i), y(energy));
      on = true;
    });
    draw.stroke();
  }

  /** A triangle below a stroke. */
  #sign(draw, x, bottom) {
    draw.fillStyle = ink("hot");
    draw.beginPath();
    draw.moveTo(x, bottom + 3);
    draw.lineTo(x - 4, bottom + 10);
    draw.lineTo(x + 4, bottom + 10);
    draw.fill();
  }
}
