// Run sixteen fresh chains from noise, where no training moves any.

import { scale } from "./colours.js";
import { count, several } from "./words.js";
import { connection, pause, play, seen } from "./wire.js";

const CHAINS = 16;
/** The choice of chains of every class. */
const EACH = "each";
const MOTION_MS = 80;
/** How many times the steps of the model's own sampling are taken before the gallery rests. */
const PATIENCE = 10;

export class Gallery {
  #about;
  #select;
  #show;
  #run = null;
  #pixels = null;
  #seed = 0;
  #taken = 0;
  #labels = [];
  #until = 0;
  held = false;

  constructor(show) {
    this.#show = show;
  }

  /** `field` holds the choice of a class. */
  begin(about, field, held) {
    [this.#about, this.#select, this.held] = [about, field.querySelector("select"), held];
    field.hidden = about.classes.length === 0;
    choices(this.#select, about.classes, EACH);
    if (this.#pixels) this.#go();
    else this.restart(held);
  }

  stop() {
    this.#run = null;
  }

  hold(held) {
    this.held = held;
    this.#until = this.#taken + this.#patience;
    if (held) this.stop();
    else this.#go();
  }

  restart(held = false) {
    this.held = held;
    this.#pixels = null;
    scale.forget();
    this.#taken = 0;
    this.#until = this.#patience;
    this.#go();
  }

  get caption() {
    const own = this.#about.sampler.steps;
    return `Fresh chains, ${several(this.#taken, "step")} from noise; sampling takes ${count(own)}.`;
  }

  get #patience() {
    return PATIENCE * this.#about.sampler.steps;
  }

  async #go() {
    const run = (this.#run = {});
    try {
      do {
        await seen();
        const begun = performance.now();
        await this.#turn(run);
        await pause(Math.max(0, MOTION_MS - (performance.now() - begun)));
        if (this.#taken >= this.#until) this.held = true;
      } while (this.#run === run && !this.held);
    } catch (problem) {
      this.held = true;
      connection.failed(problem);
    }
  }

  /** A start from noise, or the next steps. */
  async #turn(run) {
    const begins = !this.#pixels;
    if (begins) {
      this.#seed = Math.floor(Math.random() * 2 ** 31);
      this.#labels = this.#chosen();
    }
    const [labels, images] = [this.#labels, this.#labels.length];
    const start = begins ? (await play("/play/noise", { images, seed: this.#seed })).pixels : this.#pixels;
    const steps = begins ? 0 : Math.max(1, Math.min(200, Math.round(this.#about.sampler.steps / 60)));
    const { pixels, energies } = await this.#stepped(start, labels, steps);
    if (this.#run !== run) return;
    [this.#pixels, this.#taken] = [pixels, this.#taken + steps];
    const ages = Array(images).fill(this.#taken);
    this.#show({ n: images, shape: this.#about.shape, top: 1, pixels, energies, ages, classes: labels });
  }

  /** The classes of the chains: numbers, or null for none in particular. */
  #chosen() {
    const { length } = this.#about.classes;
    if (this.#select.value !== EACH || length === 0) return Array(CHAINS).fill(chosen(this.#select));
    if (length > CHAINS) return Array.from({ length: CHAINS }, (_, i) => Math.floor((i * length) / CHAINS));
    const rows = Math.max(1, Math.round(CHAINS / length));
    return Array.from({ length: rows * length }, (_, i) => i % length);
  }

  /** Steps of all chains; those of a class are asked for together. */
  async #stepped(start, labels, steps) {
    const size = start.length / labels.length;
    const pixels = new Float32Array(start.length);
    const energies = new Float32Array(labels.length);
    for (const label of new Set(labels)) {
      const places = labels.flatMap((other, i) => (other === label ? [i] : []));
      const part = new Float32Array(places.length * size);
      places.forEach((i, k) => part.set(start.subarray(i * size, (i + 1) * size), k * size));
      const answer = await play("/play/steps", this.#head(places.length, steps, label), part);
      places.forEach((i, k) => {
        pixels.set(answer.pixels.subarray(k * size, (k + 1) * size), i * size);
        energies[i] = answer.head.energies[k];
      });
    }
    return { pixels, energies };
  }

  #head(images, steps, label) {
    const own = { temperature: 1, step_size: 1, noise: 1, known: false };
    return { images, steps, from: this.#taken, ...own, class: label, seed: this.#seed + (label ?? 0) };
  }
}

/** Fills a `select` with classes, before them `others`, and any; what was chosen stays chosen. */
export function choices(select, classes, ...others) {
  const before = select.options.length ? select.value : others[0] ?? "";
  const names = classes.map((name, i) => new Option(name, i));
  select.replaceChildren(...others.map((name) => new Option(name, name)), new Option("any", ""), ...names);
  select.value = before;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** The class chosen in a `select`: its number, or null for any. */
export function chosen(select) {
  return select.value === "" ? null : Number(select.value);
}
