// Show the run's grids of samples, the newest of itself, and the way back through the earlier ones.

import { beside, find } from "./dom.js";
import { count } from "./words.js";

export class Samples {
  #iterations = [];
  #follows = true;
  #attempt = 0;

  constructor() {
    find("samples-slider").addEventListener("input", ({ target }) => {
      this.#follows = Number(target.value) === this.#iterations.length - 1;
      this.#show();
    });
    find("samples-newest").addEventListener("click", () => {
      this.#follows = true;
      this.#show();
    });
  }

  clear() {
    this.#iterations = [];
  }

  take(events) {
    for (const { samples, rollback } of events) {
      if (samples !== undefined && this.#iterations.at(-1) !== samples) this.#iterations.push(samples);
      if (!rollback) continue;
      this.#iterations = this.#iterations.filter((iteration) => iteration <= rollback.to);
      this.#attempt = rollback.attempt;
    }
    this.#show();
  }

  #show() {
    const all = this.#iterations;
    const slider = find("samples-slider");
    find("samples-row").hidden = all.length < 2;
    find("samples-picture").hidden = all.length === 0;
    if (!all.length) return (find("samples-caption").textContent = "None yet.");
    slider.max = all.length - 1;
    if (this.#follows) slider.value = all.length - 1;
    const iteration = all[slider.value];
    const words = `after ${count(iteration)} iterations`;
    slider.setAttribute("aria-valuetext", words);
    beside("samples-slider", count(iteration));
    find("samples-newest").disabled = Number(slider.value) === all.length - 1;
    find("samples-caption").textContent = "Left: drawn from noise, averaged weights. Right: data.";
    // What was computed again after a rollback is another picture.
    const path = `/samples/${iteration}${this.#attempt ? `?${this.#attempt}` : ""}`;
    const picture = find("samples-picture");
    picture.alt = `Grid of samples ${words}, beside data`;
    if (picture.getAttribute("src") !== path) picture.src = path;
  }
}
