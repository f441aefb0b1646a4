// Remember every metric of the run: when it was measured, and what it was.

const SPARSE = 48;

/** One metric over the run. A value that is not a number is NaN, and leaves a gap. */
export class Series {
  iterations = [];
  minutes = [];
  values = [];
  #smooth = [];
  #weight = 0;
  #mean = 0;
  #norm = 0;

  constructor(name) {
    this.name = name;
  }

  add(iteration, minutes, value) {
    this.iterations.push(iteration);
    this.minutes.push(minutes);
    this.values.push(value ?? NaN);
  }

  /** Forgets what came after an iteration. */
  cut(iteration) {
    const kept = this.iterations.findIndex((at) => at > iteration);
    if (kept < 0) return;
    for (const list of [this.iterations, this.minutes, this.values]) list.length = kept;
    this.#weight = -1;
  }

  /** Whether the points are so few that each is shown. */
  get sparse() {
    return this.values.length < SPARSE;
  }

  /** The values, each the mean of those before it with weights that fall by `weight` a point; few are as they are. */
  smooth(weight) {
    if (weight === 0 || this.sparse) return this.values;
    if (weight !== this.#weight) [this.#smooth, this.#weight, this.#mean, this.#norm] = [[], weight, 0, 0];
    for (let i = this.#smooth.length; i < this.values.length; i++) {
      const value = this.values[i];
      if (Number.isFinite(value)) {
        this.#mean = weight * this.#mean + (1 - weight) * value;
        this.#norm = weight * this.#norm + (1 - weight);
      }
      this.#smooth.push(Number.isFinite(value) ? this.#mean / this.#norm : NaN);
    }
    return this.#smooth;
  }

  /** The place of the point nearest to an iteration, or -1. */
  nearest(iteration) {
    const at = this.iterations;
    const next = firstFrom(at, iteration);
    if (next === 0 || at.length === 0) return at.length ? 0 : -1;
    if (next === at.length) return at.length - 1;
    return at[next] - iteration < iteration - at[next - 1] ? next : next - 1;
  }
}

/** The place of the first of these rising numbers that is not below `value`. */
export function firstFrom(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

const CLOCK = ["iteration", "elapsed_s", "eta_s"];

/** All metrics, in the order in which they were first seen, and the times that the run went back. */
export class History {
  series = new Map();
  rollbacks = [];

  /** Takes in a line of metrics. */
  add(line) {
    for (const [name, value] of Object.entries(line)) {
      // A text is what a distance is measured by.
      if (CLOCK.includes(name) || typeof value === "string") continue;
      if (!this.series.has(name)) this.series.set(name, new Series(name));
      this.series.get(name).add(line.iteration, (line.elapsed_s ?? NaN) / 60, value);
    }
  }

  /** The first and the last place of all metrics, "iterations" or "minutes". */
  range(over) {
    let [first, last] = [Infinity, -Infinity];
    for (const { [over]: places } of this.series.values()) {
      first = Math.min(first, places[0] ?? Infinity);
      last = Math.max(last, places.at(-1) ?? -Infinity);
    }
    return [first, last];
  }

  goBack(rollback) {
    this.rollbacks.push(rollback);
    for (const series of this.series.values()) series.cut(rollback.to);
  }

  clear() {
    this.series.clear();
    this.rollbacks = [];
  }
}
