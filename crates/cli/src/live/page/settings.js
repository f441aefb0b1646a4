// Read the playground's controls: brush, what is held fixed, class, and the sampler.

import { beside, checked, find, make } from "./dom.js";
import { minus, short } from "./words.js";

const PACES = [1, 2, 5, 10, 20, 50, 100, 200];
/** Above so many classes a list takes the place of buttons. */
const BUTTONS = 24;

/** What the model's own value is multiplied by: a power of 2, and 0 at the left end of the noise. */
function multiplier(slider) {
  const none = slider.id === "noise-std" && Number(slider.value) === Number(slider.min);
  return none ? 0 : 2 ** slider.value;
}

export class Settings {
  #about = null;
  #scales = [...document.querySelectorAll("input[data-scale]")];
  /** Called when the energy is another one. */
  onenergy = () => {};
  /** Called when only the looks change. */
  onlook = () => {};

  constructor() {
    const bench = find("bench");
    bench.addEventListener("input", () => (this.#write(), this.onlook()));
    for (const slider of this.#scales) slider.addEventListener("dblclick", () => this.#reset([slider]));
    find("own").addEventListener("click", () => this.#reset(this.#scales));
    find("classes").addEventListener("change", () => this.onenergy());
  }

  begin(about) {
    const fresh = String(this.#about?.classes) !== String(about.classes);
    this.#about = about;
    const inColour = about.shape[0] === 3;
    find("colour-field").hidden = !inColour;
    find("ink-field").hidden = inColour;
    find("size").max = Math.max(6, Math.round(about.shape[2] / 3));
    if (fresh) this.#classes(about.classes);
    this.#write();
  }

  get size() {
    return Number(find("size").value);
  }

  get pace() {
    return PACES[find("pace-slider").value];
  }

  /** The brush of the next stroke; `other` is an eraser while one draws, and draws while one erases. */
  brush(other) {
    const chosen = checked("tool");
    const tool = !other ? chosen : chosen === "draw" ? "black" : "draw";
    return { size: this.size, tool, ink: this.#ink() };
  }

  #ink() {
    const channels = this.#about.shape[0];
    const hex = find("colour").value;
    if (channels === 3) return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
    return Array(channels).fill(Number(find("ink").value));
  }

  /** 1 at pixels that are held fixed; null where none are. */
  held({ drawn, erased }) {
    const hold = checked("hold");
    if (hold === "drawn") return drawn.some(Boolean) ? drawn : null;
    return hold === "rest" ? erased.map((out) => 1 - out) : null;
  }

  get label() {
    const value = find("classes").querySelector("select")?.value ?? checked("class");
    return value === "" ? null : Number(value);
  }

  set label(label) {
    const select = find("classes").querySelector("select");
    if (select) select.value = label;
    const button = document.querySelector(`input[name="class"][value="${label}"]`);
    if (button) button.checked = true;
  }

  /** What a request says of the sampler and the class. */
  get sampler() {
    const [temperature, step_size, noise] = this.#scales.map(multiplier);
    return { temperature, step_size, noise, class: this.label };
  }

  #reset(sliders) {
    for (const slider of sliders) slider.value = 0;
    this.#write();
  }

  /** Numbers beside the sliders. */
  #write() {
    beside("size", find("size").value);
    beside("ink", `${Math.round(100 * find("ink").value)} %`);
    beside("pace-slider", this.pace);
    for (const slider of this.#scales) {
      const own = this.#about?.sampler[slider.dataset.scale] ?? 1;
      beside(slider.id, `× ${short(multiplier(slider))} = ${minus(short(own * multiplier(slider)))}`);
    }
  }

  /** Buttons that the arrow keys walk through, or a list where there are many. */
  #classes(names) {
    const root = find("classes");
    root.hidden = names.length === 0;
    root.querySelector(".segmented, select")?.remove();
    const all = [["any", ""], ...names.map((name, i) => [name, i])];
    if (names.length > BUTTONS) {
      const select = make("select");
      select.setAttribute("aria-label", "Class");
      select.append(...all.map(([name, value]) => new Option(name, value)));
      return root.append(select);
    }
    const group = make("div", "segmented loose");
    for (const [name, value] of all) {
      const label = make("label");
      const input = Object.assign(make("input"), { type: "radio", name: "class", value });
      input.checked = value === "";
      label.append(input, make("span", "", name));
      group.append(label);
    }
    root.append(group);
  }
}
