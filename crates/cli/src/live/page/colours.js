// Turn energies into colours: one scale for the whole page, on which colour means energy and nothing else.

const dark = matchMedia("(prefers-color-scheme: dark)");
const kept = { get: () => store("theme"), set: (theme) => store("theme", theme) };

/** Reads, or keeps, a word that outlives the page. */
export function store(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`ebm.${name}`);
    localStorage.setItem(`ebm.${name}`, value);
  } catch {
    // A browser that keeps nothing.
  }
  return null;
}

export const theme = {
  get dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : dark.matches;
  },
  toggle() {
    const next = this.dark ? "light" : "dark";
    // Back at what the system says: follow it again.
    const follows = (next === "dark") === dark.matches;
    if (follows) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    kept.set(follows ? "" : next);
    changed();
  },
  /** Called when everything drawn must be drawn anew. */
  listeners: new Set(),
};

function changed() {
  inks.clear();
  table = null;
  for (const listener of theme.listeners) listener();
}

dark.addEventListener("change", changed);
if (kept.get()) document.documentElement.dataset.theme = kept.get();

const inks = new Map();
const probe = document.createElement("i");

/** A colour of the style sheet, as a canvas takes it. */
export function ink(name) {
  if (!inks.has(name)) {
    document.body.append(probe);
    probe.style.color = `var(--${name})`;
    inks.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return inks.get(name);
}

/** sRGB bytes of a colour in OKLCH (Ottosson 2020). */
function oklch(l, c, degrees) {
  const h = (degrees * Math.PI) / 180;
  const [a, b] = [c * Math.cos(h), c * Math.sin(h)];
  const x = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const y = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const z = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
    -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
    -0.0041960863 * x - 0.7034186147 * y + 1.707614701 * z,
  ];
  const byte = (v) => 255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);
  return linear.map((v) => Math.round(Math.min(255, Math.max(0, byte(Math.max(0, v))))));
}

// From a deep sea through moss and ochre to a hot summit: lightness, chroma, hue at equal distances.
const LIGHT = [
  [0.4, 0.07, 220], [0.5, 0.075, 192], [0.61, 0.08, 150], [0.73, 0.1, 98], [0.73, 0.13, 62], [0.62, 0.165, 38],
];
const DARK = [
  [0.48, 0.075, 222], [0.58, 0.08, 194], [0.68, 0.085, 152], [0.78, 0.105, 98], [0.76, 0.13, 64], [0.66, 0.165, 40],
];
let table = null;

/** 256 colours, from low energy to high, three bytes each. */
export function colours() {
  if (table) return table;
  const stops = theme.dark ? DARK : LIGHT;
  table = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const from = Math.min(Math.floor(place), stops.length - 2);
    const mixed = stops[from].map((v, k) => v + (place - from) * (stops[from + 1][k] - v));
    table.set(oklch(...mixed), 3 * i);
  }
  return table;
}

/** A range of energies and where each stands in it: of heights a root, so that low ground is told apart. */
export class Scale {
  low = Infinity;
  high = -Infinity;
  power = 0.5;

  /** Never fewer than before, so that numbers stay where they are. */
  #digits = 0;

  /** Takes in what was seen at once, and forgets what is not seen any more slowly. */
  see(energies) {
    let [low, high] = [Infinity, -Infinity];
    for (const e of energies) {
      if (!Number.isFinite(e)) continue;
      if (e < low) low = e;
      if (e > high) high = e;
    }
    if (low > high) return;
    const forget = 0.004 * (this.high - this.low);
    this.low = this.low <= low ? Math.min(low, this.low + forget) : low;
    this.high = this.high >= high ? Math.max(high, this.high - forget) : high;
    const span = Math.max(this.high - this.low, 1e-6);
    const [more, fewer] = [Math.ceil(Math.log10(0.5 / span)), Math.ceil(Math.log10(span / 50))];
    this.#digits = Math.min(6, Math.max(this.#digits, 3 + Math.max(0, more) - Math.max(0, fewer)));
  }

  /** Chooses the power by which half of these energies get the lower half of the colours, within bounds. */
  balance(energies) {
    const sorted = energies.filter(Number.isFinite).sort();
    const share = (sorted[sorted.length >> 1] - this.low) / (this.high - this.low);
    if (share > 0 && share < 1) this.power = Math.min(2, Math.max(0.35, Math.log(0.5) / Math.log(share)));
  }

  /** Forgets all at once. */
  forget() {
    [this.low, this.high] = [Infinity, -Infinity];
  }

  get known() {
    return this.high >= this.low;
  }

  at(energy) {
    const span = this.high - this.low;
    return span > 0 ? Math.min(1, Math.max(0, (energy - this.low) / span)) ** this.power : 0;
  }

  css(energy) {
    if (!Number.isFinite(energy) || !this.known) return ink("faint");
    const i = 3 * Math.round(255 * this.at(energy));
    return `rgb(${colours().slice(i, i + 3).join(" ")})`;
  }

  /** An energy, with as many digits as tell energies of this range apart. */
  text(energy) {
    if (!Number.isFinite(energy)) return "not a number";
    const text = energy.toFixed(this.#digits);
    return text.replace(/^-(?=0(\.0*)?$)/, "").replace("-", "\u2212");
  }
}

/** That of chains and of the playground. */
export const scale = new Scale();
