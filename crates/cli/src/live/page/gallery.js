// Run sixteen fresh chains from noise, where no training moves any.

import { pause, play, connection, seen } from "./wire.js";
import { count } from "./words.js";

const CHAINS = 16;
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
  #until = 0;
  held = false;

  constructor(show) {
    this.#show = show;
  }

  /** `field` holds the choice of a class. */
  begin(about, field, held) {
    [this.#about, this.#select, this.held] = [about, field.querySelector("select"), held];
    field.hidden = about.classes.length === 0;
    choices(this.#select, about.classes, true);
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
    this.#taken = 0;
    this.#until = this.#patience;
    this.#go();
  }

  get caption() {
    const own = this.#about.sampler.steps;
    return `Fresh chains, ${count(this.#taken)} steps from noise; sampling takes ${count(own)}.`;
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
    if (begins) this.#seed = Math.floor(Math.random() * 2 ** 32);
    const start = begins ? (await play("/play/noise", { images: CHAINS, seed: this.#seed })).pixels : this.#pixels;
    const steps = begins ? 0 : Math.max(1, Math.min(200, Math.round(this.#about.sampler.steps / 60)));
    const answer = await play("/play/steps", this.#head(steps), start);
    if (this.#run !== run) return;
    [this.#pixels, this.#taken] = [answer.pixels, this.#taken + steps];
    this.#show({
      n: CHAINS, shape: this.#about.shape, top: 1, pixels: answer.pixels, energies: answer.head.energies,
      ages: Array(CHAINS).fill(this.#taken), classes: Array(CHAINS).fill(this.#class),
    });
  }

  get #class() {
    return chosen(this.#select);
  }

  #head(steps) {
    const own = { temperature: 1, step_size: 1, noise: 1 };
    return { images: CHAINS, steps, from: this.#taken, ...own, class: this.#class, seed: this.#seed, known: false };
  }
}

/** Fills a `select` with classes, first of all none in particular. */
export function choices(select, classes, keep = false) {
  const before = keep ? select.value : "";
  const names = classes.map((name, i) => new Option(name, i));
  select.replaceChildren(new Option("any", ""), ...names);
  select.value = before;
  if (select.selectedIndex < 0) select.value = "";
}

/** The class chosen in a `select`: its number, or null for any. */
export function chosen(select) {
  return select.value === "" ? null : Number(select.value);
}
