// Keep one picture that is drawn on, damaged and restored by Langevin steps, and its energy.

import { Stroke } from "./brush.js";
import { scale } from "./colours.js";
import { find, make } from "./dom.js";
import { Easel } from "./easel.js";
import { Settings } from "./settings.js";
import { Trace } from "./trace.js";
import { connection, pause, picture, play, seen } from "./wire.js";
import { several } from "./words.js";

const MOTION_MS = 50;
const CALM_MS = 500;
const UNDONE = 60;
const seed = () => Math.floor(Math.random() * 2 ** 32);

export class Playground {
  #about = null;
  #state = null;
  #past = [];
  #stroke = null;
  #touched = new Set();
  #asking = false;
  #again = false;
  #run = null;
  #easel = new Easel(find("easel"));
  #trace = new Trace(find("trace"));
  #settings = new Settings();
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  /** Called with the picture each time that it changes, and whether it is another one. */
  onpicture = () => {};

  constructor() {
    this.#easel.onstroke = (what, at, other) => this.#draw(what, at, other);
    this.#settings.onenergy = () => this.#measure();
    this.#settings.onlook = () => this.#show();
    const on = (id, act) => find(id).addEventListener("click", act);
    on("run-pause", () => this.toggle());
    on("step", () => this.step());
    on("undo", () => this.undo());
    on("noise", () => this.noise());
    on("open", () => find("file").click());
    on("save", () => this.save());
    find("file").addEventListener("change", ({ target }) => {
      if (target.files[0]) this.open(target.files[0]);
      target.value = "";
    });
    this.#takeFiles();
  }

  begin(about) {
    this.#about = about;
    const sorry = find("playground-sorry");
    sorry.textContent = about.playable === null ? "" : `Nothing can be played here: ${about.playable}.`;
    sorry.hidden = about.playable === null;
    find("bench").hidden = about.playable !== null;
    find("main").classList.toggle("unplayable", about.playable !== null);
    if (about.playable !== null) return;
    this.#settings.begin(about);
    if (this.#state) this.#measure();
    else this.noise(true);
  }

  get settings() {
    return this.#settings;
  }

  /** Whether nobody has chosen, drawn or taken anything yet. */
  get untouched() {
    return this.#past.length === 0 && (this.#state?.name ?? "noise") === "noise";
  }

  /** The pixels as they are, or null. */
  get pixels() {
    return this.#state && this.#state.pixels.slice();
  }

  /** Takes an image `{pixels, label, name}` in place of the present one. Steps from noise begin with the first; those
   * of any other picture come after the ones that lead from noise to a sample. */
  take({ pixels, label = null, name, isNoise = false }) {
    if (this.#about?.playable !== null) return;
    if (this.#state) this.#remember();
    const size = this.#about.shape[1] * this.#about.shape[2];
    const maps = { drawn: new Uint8Array(size), erased: new Uint8Array(size) };
    const before = isNoise ? 0 : this.#about.sampler.steps;
    this.#state = { pixels: pixels.slice(), ...maps, taken: 0, before, seed: seed(), name, energy: NaN };
    if (label !== null) this.#settings.label = label;
    this.#trace.clear();
    this.#changed();
  }

  /** Starts from noise; `first` only where there is nothing yet. */
  async noise(first = false) {
    try {
      const { pixels } = await play("/play/noise", { images: 1, seed: seed() });
      if (!first || !this.#state) this.take({ pixels, name: "noise", isNoise: true });
    } catch (problem) {
      connection.failed(problem);
    }
  }

  async open(file) {
    try {
      this.take({ pixels: await picture(file), name: file.name || "the clipboard" });
    } catch (problem) {
      connection.failed(problem);
    }
  }

  toggle() {
    if (this.#run) this.halt();
    else if (this.#state) this.#go();
  }

  async step() {
    if (!this.#state || this.#run) return this.halt();
    this.#remember();
    await this.#ask(1);
  }

  undo() {
    const before = this.#past.pop();
    if (!before) return;
    this.halt();
    this.#state = before;
    this.#changed();
  }

  /** Pauses restoring. */
  halt() {
    if (!this.#run) return;
    this.#run = null;
    find("run-pause").textContent = "Restore";
    this.#say(`Paused after ${several(this.#state.taken, "step")}, energy ${scale.text(this.#state.energy)}`);
  }

  save() {
    if (!this.#state) return;
    find("picture").toBlob((blob) => {
      const link = Object.assign(make("a"), { href: URL.createObjectURL(blob), download: "ebm.png" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  }

  async #go() {
    const run = (this.#run = {});
    this.#remember();
    find("run-pause").textContent = "Pause";
    while (this.#run === run) {
      await seen();
      const begun = performance.now();
      if (!(await this.#ask(this.#settings.pace))) break;
      const rest = (this.#calm.matches ? CALM_MS : MOTION_MS) - (performance.now() - begun);
      await pause(Math.max(0, rest));
    }
    if (this.#run === run) this.halt();
  }

  /** Energy of the picture as it is: now, or once the answer under way is there. */
  #measure() {
    if (!this.#state || this.#run) return;
    this.#again = this.#asking;
    if (!this.#asking) this.#ask(0);
  }

  /** Takes steps; true where they were taken, or where another picture came between. */
  async #ask(steps) {
    while (this.#asking) await pause(5);
    const [state, settings] = [this.#state, this.#settings];
    this.#asking = true;
    this.#touched.clear();
    try {
      const known = steps ? settings.held(state) : null;
      const place = { from: state.before + state.taken, seed: state.seed };
      const head = { images: 1, steps, ...place, ...settings.sampler, known: known !== null };
      const answer = await play("/play/steps", head, state.pixels, known);
      if (state === this.#state) this.#got(state, answer, steps);
      return true;
    } catch (problem) {
      connection.failed(problem);
      return false;
    } finally {
      this.#asking = false;
      if (this.#again) {
        this.#again = false;
        this.#measure();
      }
    }
  }

  #got(state, { head, pixels }, steps) {
    if (steps) {
      const size = state.drawn.length;
      // What was painted since stays.
      for (const i of this.#touched) for (let at = i; at < pixels.length; at += size) pixels[at] = state.pixels[at];
      [state.pixels, state.taken] = [pixels, state.taken + steps];
    }
    [state.energy] = head.energies;
    this.#trace.add(state.energy);
    this.#show();
  }

  #draw(what, [x, y], other) {
    if (!this.#state) return;
    if (what === "down") {
      this.#remember();
      this.#stroke = new Stroke(this.#about.shape, this.#settings.brush(other));
      this.#trace.mark();
    }
    if (what !== "up") this.#stroke.to(x, y, this.#state.pixels, (i) => this.#touched.add(i));
    this.#stroke.mark(this.#state.drawn, this.#state.erased);
    this.#show();
    this.#measure();
  }

  #remember() {
    const { pixels, drawn, erased } = this.#state;
    this.#past.push({ ...this.#state, pixels: pixels.slice(), drawn: drawn.slice(), erased: erased.slice() });
    if (this.#past.length > UNDONE) this.#past.shift();
  }

  #changed() {
    this.#show(true);
    this.#measure();
  }

  #show(another = false) {
    const state = this.#state;
    if (!state) return;
    this.#easel.size = this.#settings.size;
    this.#easel.show(state.pixels, this.#about.shape, this.#settings.held(state));
    find("undo").disabled = this.#past.length === 0;
    find("energy").textContent = Number.isNaN(state.energy) ? "–" : scale.text(state.energy);
    find("energy-chip").style.background = scale.css(state.energy);
    find("taken").textContent = state.taken ? `${several(state.taken, "step")} from ${state.name}` : `of ${state.name}`;
    this.onpicture(state.pixels, another);
  }

  #say(words) {
    find("playground-said").textContent = words;
  }

  /** Picture files that are dropped onto the playground, or pasted anywhere. */
  #takeFiles() {
    const root = find("playground");
    const over = (on) => root.classList.toggle("over", on);
    root.addEventListener("dragover", (event) => (event.preventDefault(), over(true)));
    root.addEventListener("dragleave", (event) => root.contains(event.relatedTarget) || over(false));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      if (event.dataTransfer.files[0]) this.open(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => {
      const [file] = event.clipboardData.files;
      if (file) this.open(file);
    });
  }
}
