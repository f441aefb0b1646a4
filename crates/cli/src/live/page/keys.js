// Obey keys of one letter, and list them.

import { store } from "./colours.js";
import { find, make } from "./dom.js";

/** Fields in which a letter is a letter, and a space presses. */
const TYPING = "input:not([type=range]):not([type=radio]):not([type=checkbox]), select, textarea";
const PRESSED = "button, summary, a[href], input:not([type=range]), select, textarea";

export class Keys {
  /** `keys` are `[key, words, act]`; a key that is " " is the space bar. */
  constructor(keys) {
    this.keys = keys;
    document.addEventListener("keydown", (event) => this.#press(event));
    const on = find("keys-on");
    on.checked = store("keys") !== "off";
    on.addEventListener("change", () => store("keys", on.checked ? "on" : "off"));
    find("help").addEventListener("click", () => find("keys").showModal());
    this.#list();
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey) return this.#undo(event);
    if (event.altKey || event.defaultPrevented || find("keys").open || !find("keys-on").checked) return;
    const target = event.target;
    if (target.closest?.(TYPING) || (event.key === " " && target.closest?.(PRESSED))) return;
    const found = this.keys.find(([key]) => key === event.key);
    if (!found) return;
    event.preventDefault();
    found[2]();
  }

  #undo(event) {
    if (event.key !== "z" || event.shiftKey || event.target.closest?.(TYPING)) return;
    event.preventDefault();
    this.keys.find(([key]) => key === "z")[2]();
  }

  #list() {
    const rows = this.keys.map(([key, words]) => [key === " " ? "space" : key, words]);
    const moving = [
      ["arrows", "move between chains, over the picture, over the map, along a curve"],
      ["Enter", "take the chain; paint a dot; take the mix"],
      ["Shift + arrow", "draw a line"],
      ["a, b, c", "on a chain: put it into the map's slot"],
    ];
    for (const [key, words] of [...rows, ...moving]) {
      const name = make("dt");
      name.append(make("kbd", "", key));
      find("keys-list").append(name, make("dd", "", words));
    }
  }
}
