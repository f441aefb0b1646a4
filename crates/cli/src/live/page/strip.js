// Draw the energies of all chains as marks on one ruler, with the mean of the data beside them.

import { colours, ink, scale, theme } from "./colours.js";
import { sharp, ticks } from "./pixels.js";
import { mark } from "./words.js";

const SIDE = 10;

export class Strip {
  #canvas;
  #energies = [];
  #data = null;
  #at = null;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    theme.listeners.add(() => this.draw());
  }

  show(energies) {
    this.#energies = energies;
    this.draw();
  }

  /** The mean energy of the data, or null. */
  data(energy) {
    this.#data = Number.isFinite(energy) ? energy : null;
  }

  point(index) {
    this.#at = index;
    this.draw();
  }

  draw() {
    const { draw, width, height } = sharp(this.#canvas);
    if (!width || !scale.known) return;
    const place = (energy) => SIDE + scale.at(energy) * (width - 2 * SIDE);
    const base = height - 18;
    this.#ground(draw, width, base);
    draw.globalAlpha = 0.9;
    for (const energy of this.#energies) this.#mark(draw, place(energy), base - 14, base - 1, scale.css(energy), 2);
    draw.globalAlpha = 1;
    if (this.#data !== null) this.#flag(draw, place(this.#data), base, width);
    const at = this.#energies[this.#at];
    if (Number.isFinite(at)) this.#mark(draw, place(at), base - 22, base + 4, ink("ink"), 2);
    this.#canvas.setAttribute("aria-label", this.#words());
  }

  #words() {
    const finite = [...this.#energies].filter(Number.isFinite);
    if (!finite.length) return "Energies of the chains";
    const [low, high] = [Math.min(...finite), Math.max(...finite)].map((e) => scale.text(e));
    const data = this.#data === null ? "" : `; data at ${scale.text(this.#data)}`;
    return `Energies of ${finite.length} chains, from ${low} to ${high}${data}`;
  }

  /** The colours, and numbers below them. */
  #ground(draw, width, base) {
    const table = colours();
    for (let x = 0; x <= width - 2 * SIDE; x++) {
      const i = 3 * Math.round((255 * x) / (width - 2 * SIDE));
      draw.fillStyle = `rgb(${table[i]} ${table[i + 1]} ${table[i + 2]})`;
      draw.fillRect(SIDE + x, base, 1.5, 3);
    }
    draw.font = `11px ${getComputedStyle(this.#canvas).fontFamily}`;
    draw.fillStyle = ink("quiet");
    draw.textAlign = "center";
    let free = -Infinity;
    for (const tick of ticks(scale.low, scale.high, 8)) {
      const x = SIDE + scale.at(tick) * (width - 2 * SIDE);
      const text = mark(tick);
      const half = draw.measureText(text).width / 2;
      if (x - half < Math.max(free, 0) || x + half > width) continue;
      draw.fillRect(x - 0.5, base + 3, 1, 3);
      draw.fillText(text, x, base + 16);
      free = x + half + 12;
    }
  }

  #mark(draw, x, from, to, colour, width) {
    draw.fillStyle = colour;
    draw.fillRect(x - width / 2, from, width, to - from);
  }

  /** A triangle over the mean of the data. */
  #flag(draw, x, base, width) {
    draw.fillStyle = ink("ink");
    draw.beginPath();
    draw.moveTo(x, base - 17);
    draw.lineTo(x - 4.5, base - 25);
    draw.lineTo(x + 4.5, base - 25);
    draw.fill();
    const right = x < width - 60;
    draw.textAlign = right ? "left" : "right";
    draw.fillText("data", x + (right ? 8 : -8), base - 18);
  }
}
