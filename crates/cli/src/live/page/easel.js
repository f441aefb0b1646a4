// Show the playground's picture, and follow the pointer and the arrow keys over it.

import { ink, theme } from "./colours.js";
import { put, sharp, zoom } from "./pixels.js";

const LARGEST = 448;

export class Easel {
  #root;
  #picture;
  #overlay;
  #shape = [1, 28, 28];
  #held = null;
  #at = null;
  #down = null;
  size = 2.5;
  /** Called with what happens: "down", "move" or "up", the place in pixels, and whether the other button is meant. */
  onstroke = () => {};

  constructor(root) {
    this.#root = root;
    [this.#picture, this.#overlay] = root.querySelectorAll("canvas");
    const on = (name, handle) => this.#picture.addEventListener(name, handle);
    on("pointerdown", (event) => this.#begin(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", () => this.#end());
    on("pointercancel", () => this.#end());
    on("pointerleave", () => this.#down === null && this.#point(null));
    on("contextmenu", (event) => event.preventDefault());
    on("keydown", (event) => this.#key(event));
    on("focus", () => this.#picture.matches(":focus-visible") && this.#point(this.#at ?? this.#middle));
    on("blur", () => this.#point(null));
    new ResizeObserver(() => this.#fit()).observe(root.parentElement);
    theme.listeners.add(() => this.#draw());
  }

  get #middle() {
    return [this.#shape[2] / 2, this.#shape[1] / 2];
  }

  /** Draws a picture; `held` says which pixels are held fixed, or is null. */
  show(pixels, shape, held) {
    const fresh = String(shape) !== String(this.#shape);
    this.#shape = shape;
    if (fresh) this.#fit();
    put(this.#picture, pixels, shape);
    const same = held === this.#held;
    this.#held = held;
    if (!same || held) this.#draw();
  }

  #fit() {
    const [, h, w] = this.#shape;
    const room = Math.min(LARGEST, this.#root.parentElement.clientWidth - 2);
    const k = zoom(room, Math.max(w, h));
    this.#root.style.width = `${k * w}px`;
    this.#root.style.height = `${k * h}px`;
    this.#draw();
  }

  #place(event) {
    const box = this.#picture.getBoundingClientRect();
    const [, h, w] = this.#shape;
    return [((event.clientX - box.left) / box.width) * w, ((event.clientY - box.top) / box.height) * h];
  }

  #begin(event) {
    if (event.button > 2 || this.#down !== null) return;
    this.#picture.setPointerCapture(event.pointerId);
    this.#down = event.button === 2 || event.shiftKey;
    this.#point(this.#place(event));
    this.onstroke("down", this.#at, this.#down);
  }

  #move(event) {
    if (this.#down !== null) {
      const between = event.getCoalescedEvents?.() ?? [];
      for (const each of between.length ? between : [event]) this.onstroke("move", this.#place(each), this.#down);
    }
    this.#point(this.#place(event));
  }

  #end() {
    if (this.#down === null) return;
    this.onstroke("up", this.#at, this.#down);
    this.#down = null;
  }

  /** Arrows move, Enter paints a dot, Shift with an arrow draws a line. */
  #key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [, h, w] = this.#shape;
    const from = this.#at ?? this.#middle;
    if (event.key === "Enter") {
      this.onstroke("down", from, false);
      this.onstroke("up", from, false);
    } else if (event.key in moves) {
      const [dx, dy] = moves[event.key];
      const to = [Math.min(w - 0.5, Math.max(0.5, from[0] + dx)), Math.min(h - 0.5, Math.max(0.5, from[1] + dy))];
      if (event.shiftKey) {
        this.onstroke("down", from, false);
        this.onstroke("move", to, false);
        this.onstroke("up", to, false);
      }
      this.#point(to);
    } else return;
    event.preventDefault();
  }

  #point(at) {
    this.#at = at;
    this.#draw();
  }

  /** The brush, and a line around what is held fixed. */
  #draw() {
    const { draw, width } = sharp(this.#overlay);
    const k = width / this.#shape[2];
    if (this.#held) this.#outline(draw, k);
    if (!this.#at) return;
    const [x, y] = this.#at.map((place) => place * k);
    for (const [colour, line] of [["rgb(0 0 0 / 0.7)", 3], ["#fff", 1.2]]) {
      [draw.strokeStyle, draw.lineWidth] = [colour, line];
      draw.beginPath();
      draw.arc(x, y, Math.max(2, (this.size / 2) * k), 0, 2 * Math.PI);
      draw.stroke();
    }
  }

  #outline(draw, k) {
    const [, h, w] = this.#shape;
    const held = (row, column) => row >= 0 && column >= 0 && row < h && column < w && this.#held[row * w + column];
    [draw.strokeStyle, draw.lineWidth] = [ink("hot"), 1.5];
    draw.beginPath();
    for (let row = 0; row <= h; row++) {
      for (let column = 0; column <= w; column++) {
        const here = held(row, column);
        if (Boolean(here) !== Boolean(held(row - 1, column)) && row > 0 && row < h) {
          draw.moveTo(column * k, row * k);
          draw.lineTo((column + 1) * k, row * k);
        }
        if (Boolean(here) !== Boolean(held(row, column - 1)) && column > 0 && column < w) {
          draw.moveTo(column * k, row * k);
          draw.lineTo(column * k, (row + 1) * k);
        }
      }
    }
    draw.stroke();
  }
}
