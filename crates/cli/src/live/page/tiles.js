// Show images as tiles: the colour of a tile's bar is its energy, the length its age.

import { scale } from "./colours.js";
import { make } from "./dom.js";
import { put, single, zoom } from "./pixels.js";
import { several } from "./words.js";

const GAP = 10;
/** A chain that has moved. */
const FLASH = [{ color: "var(--ink)" }, {}];
/** Width of a tile on the screen. */
const [SMALLEST, LARGEST] = [48, 200];
/** Below this width the room has this height. */
const [NARROW, SHORT] = [560, 660];

export class Tiles {
  #root;
  #readout;
  #tiles = [];
  #frame = null;
  #names = [];
  #at = null;
  #hint = "";
  #count = 0;
  /** Called with `{pixels, label, name}` of a tile that was chosen. */
  onchoose = () => {};
  /** Called with the index under the pointer or the focus, or null. */
  onpoint = () => {};
  /** Called with a letter a, b or c, and the image for that slot. */
  onslot = () => {};

  /** `height` is the room that all tiles should fit in, where they can. */
  constructor(root, readout, height) {
    [this.#root, this.#readout, this.height] = [root, readout, height];
    root.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#fit()).observe(root);
  }

  /** The words below where no tile is pointed at. */
  hint(words) {
    this.#hint = words;
    if (this.#at === null) this.#readout.textContent = words;
  }

  get frame() {
    return this.#frame;
  }

  show(frame, names) {
    const fresh = this.#frame?.n !== frame.n || String(this.#frame.shape) !== String(frame.shape);
    const before = fresh ? null : this.#frame.ages;
    [this.#frame, this.#names] = [frame, names];
    if (fresh) this.#build();
    const oldest = Math.log1p(frame.ages.reduce((most, age) => Math.max(most, age), 1));
    const size = frame.shape.reduce((a, b) => a * b);
    this.#tiles.forEach((tile, i) => {
      put(tile.canvas, frame.pixels, frame.shape, { offset: i * size, top: frame.top });
      tile.bar.style.width = `${(100 * Math.max(0.06, Math.log1p(frame.ages[i]) / oldest)).toFixed(1)}%`;
      tile.bar.style.background = scale.css(frame.energies[i]);
      tile.energy.textContent = scale.text(frame.energies[i]);
      if (before && before[i] !== frame.ages[i] && this.flashes) tile.energy.animate(FLASH, 1200);
    });
    if (this.#at !== null) this.#read(this.#at);
  }

  image(index) {
    const frame = this.#frame;
    const label = this.#names.length ? frame.classes[index] : null;
    return { pixels: single(frame, index), label, name: `chain ${index + 1}` };
  }

  /** The index of the lowest energy. */
  lowest() {
    return this.#frame.energies.reduce((best, e, i, all) => (e < all[best] ? i : best), 0);
  }

  #build() {
    this.#root.replaceChildren();
    this.#tiles = Array.from({ length: this.#frame.n }, (_, i) => this.#tile(i));
    this.#at = null;
    this.#fit();
    this.hint(this.#hint);
  }

  #tile(index) {
    const [button, bar, rule] = [make("button", "tile"), make("i"), make("span", "rule")];
    const [canvas, energy] = [make("canvas", "pixels"), make("span", "value")];
    button.type = "button";
    button.tabIndex = index ? -1 : 0;
    rule.append(bar);
    button.append(canvas, rule, energy);
    button.addEventListener("click", () => this.onchoose(this.image(index)));
    button.addEventListener("pointerenter", () => this.#point(index));
    button.addEventListener("pointerleave", () => this.#point(null));
    button.addEventListener("focus", () => {
      for (const tile of this.#tiles) tile.button.tabIndex = tile.button === button ? 0 : -1;
      this.#point(index);
    });
    button.addEventListener("blur", () => this.#point(null));
    this.#name(button, index);
    this.#root.append(button);
    return { button, canvas, bar, energy };
  }

  #point(index) {
    this.#at = index;
    if (index === null) this.#readout.textContent = this.#hint;
    else this.#read(index);
    this.onpoint(index);
  }

  #words(index) {
    const { energies, ages, classes } = this.#frame;
    const known = this.#names.length > 0 && classes[index] !== null;
    const label = known ? `, class ${this.#names[classes[index]] ?? classes[index]}` : "";
    return `E ${scale.text(energies[index])}, ${several(ages[index], this.unit)} old${label}`;
  }

  /** Whether those that have moved show it: not where all do, nor for those who want no motion. */
  flashes = false;

  /** What ages are counted in. */
  unit = "round";

  #name(button, index) {
    button.setAttribute("aria-label", `Chain ${index + 1}, ${this.#words(index)}`);
  }

  #read(index) {
    this.#readout.textContent = `Chain ${index + 1}: ${this.#words(index)}`;
    this.#name(this.#tiles[index].button, index);
  }

  #key(event) {
    const index = this.#tiles.findIndex((tile) => tile.button === document.activeElement);
    if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if ("abc".includes(event.key)) {
      this.onslot(event.key, this.image(index));
      return event.stopPropagation();
    }
    const top = this.#tiles[0].button.offsetTop;
    const row = this.#tiles.findIndex((tile) => tile.button.offsetTop > top);
    const columns = row < 0 ? this.#count : row;
    const last = this.#count - 1;
    const across = { ArrowLeft: -1, ArrowRight: 1, Home: -index, End: last - index };
    const moves = { ...across, ArrowUp: -columns, ArrowDown: columns };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const next = index + moves[event.key];
    if (next >= 0 && next <= last) this.#tiles[next].button.focus();
  }

  /** The largest whole zoom at which all tiles fit into the room, and rows of one length where columns allow it. */
  #fit() {
    const width = this.#root.clientWidth;
    if (!this.#frame || !width) return;
    const { n, shape: [, h, w] } = this.#frame;
    const narrow = width < NARROW;
    const room = narrow ? SHORT : this.height;
    const most = (k) => Math.min(n, Math.floor((width + GAP) / (k * w + GAP)));
    const fits = (k) => most(k) > 0 && Math.ceil(n / most(k)) * (k * h + GAP + 24) <= room;
    let k = Math.max(1, Math.min(Math.ceil(SMALLEST / w), zoom(width, w)));
    while ((k + 1) * w <= LARGEST && fits(k + 1)) k += 1;
    const few = narrow ? most(k) : Math.ceil(0.8 * most(k));
    let columns = most(k);
    while (n % columns && columns > few) columns -= 1;
    if (n % columns) columns = Math.max(1, most(k));
    // A small screen shows some of them.
    this.#count = narrow ? Math.min(n, columns * Math.max(4, Math.floor(room / (k * h + GAP + 24)))) : n;
    this.#tiles.forEach((tile, i) => (tile.button.hidden = i >= this.#count));
    this.#root.style.setProperty("--columns", columns);
    this.#root.style.setProperty("--tile-width", `${k * w}px`);
    this.#root.style.setProperty("--tile-height", `${k * h}px`);
  }
}
