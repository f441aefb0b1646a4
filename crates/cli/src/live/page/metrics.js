// Lay out the curves of all metrics: energies large, every other one small.

import { scale } from "./colours.js";
import { Curve, refresh, view, went } from "./curve.js";
import { beside, checked, find, make } from "./dom.js";
import { History } from "./history.js";
import { MEANINGS, count, short } from "./words.js";

/** What the large curve shows, the first of these that the run has; `colour` is a name of the style sheet. */
const MAIN = [
  [["e_pos", "data", "ink"], ["e_neg", "samples", "hot"]],
  [["energy", "noised images", "ink"]],
  [["loss", "loss", "ink"]],
];

export class Metrics {
  #history = new History();
  #main = [];
  #shown = new Set();

  constructor() {
    const tools = document.querySelector(".curves-tools");
    tools.addEventListener("input", () => this.#choose());
    this.#choose();
  }

  clear() {
    this.#history.clear();
    this.#shown.clear();
    this.#main = [];
    view.curves.clear();
    find("main-curve").replaceChildren();
    find("multiples").replaceChildren();
  }

  /** Takes in events that are about metrics, all at once. */
  take(events) {
    for (const event of events) {
      if (event.rollback) this.#history.goBack(event.rollback);
      else if ("iteration" in event) this.#history.add(event);
    }
    this.#lay();
    refresh();
    const times = this.#history.rollbacks;
    find("energies-caption").textContent = times.length ? `${went(times.at(-1))}.` : this.#caption();
    const hint = "Each over the whole run; point at one to read all.";
    find("metrics-caption").textContent = this.#shown.size ? hint : "None yet.";
  }

  /** The newest value of a metric. */
  newest(name) {
    return this.#history.series.get(name)?.values.at(-1) ?? NaN;
  }

  #caption() {
    if (!this.#main.length) return "The first line of metrics comes soon.";
    return this.#main.length > 1 ? "Means over a batch. In a healthy run they stay close." : "Mean over a batch.";
  }

  #choose() {
    view.over = checked("over") === "minutes" ? "minutes" : "iterations";
    view.part = Number(checked("part"));
    view.smoothing = Number(find("smoothing").value);
    beside("smoothing", view.smoothing ? view.smoothing.toFixed(2) : "none");
    refresh();
  }

  /** A curve for each metric that has none yet. */
  #lay() {
    const { series } = this.#history;
    if (!this.#main.length) {
      const found = MAIN.find((names) => names.every(([name]) => series.has(name)));
      if (found) this.#large(found);
    }
    for (const one of series.values()) {
      if (this.#shown.has(one.name) || this.#main.some(([name]) => name === one.name)) continue;
      this.#shown.add(one.name);
      this.#small(one);
    }
  }

  #large(names) {
    this.#main = names;
    const all = names.map(([name, , colour]) => Object.assign(this.#history.series.get(name), { colour }));
    const caption = make("figcaption", "legend");
    const values = names.map(([, words, colour]) => {
      const value = make("output", "");
      value.setAttribute("aria-live", "off");
      const key = make("span", `key ${colour}`, words);
      caption.append(key, value);
      return value;
    });
    const when = make("span", "when");
    caption.append(when);
    this.#figure(find("main-curve"), caption, all, (at, pointed) => {
      at.forEach((i, k) => (values[k].textContent = i < 0 ? "–" : scale.text(all[k].values[i])));
      when.textContent = pointed && at[0] >= 0 ? `iteration ${count(all[0].iterations[at[0]])}` : "";
    });
  }

  #small(series) {
    const caption = make("figcaption", "");
    const name = make("span", "name", series.name);
    name.title = MEANINGS[series.name] ?? "";
    const value = make("output", "");
    value.setAttribute("aria-live", "off");
    const log = make("button", "log", "log");
    log.type = "button";
    log.title = "Logarithmic axis";
    log.setAttribute("aria-pressed", "false");
    caption.append(name, log, value);
    const curve = this.#figure(find("multiples"), caption, [series], ([i]) => {
      value.textContent = i < 0 ? "–" : short(series.values[i]);
      log.hidden = log.getAttribute("aria-pressed") === "false" && !curve.wide;
    });
    log.addEventListener("click", () => {
      const on = log.getAttribute("aria-pressed") === "false";
      log.setAttribute("aria-pressed", on);
      curve.log = on;
    });
  }

  #figure(root, caption, series, values) {
    const [figure, canvas] = [make("figure", "curve"), make("canvas", "")];
    figure.append(caption, canvas);
    root.append(figure);
    return new Curve(canvas, series, this.#history, values);
  }
}
