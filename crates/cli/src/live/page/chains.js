// Follow the buffer's chains while something trains; else let fresh chains of this page's own run.

import { scale, theme } from "./colours.js";
import { find } from "./dom.js";
import { Gallery } from "./gallery.js";
import { Strip } from "./strip.js";
import { Tiles } from "./tiles.js";
import { Poll, ask, frame } from "./wire.js";
import { count } from "./words.js";

const HINT = "Colour is energy; a bar grows with age. Choose a chain to take it into the playground.";
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Chains {
  #about;
  #after = 0;
  #picking = null;
  #greeted = false;
  #poll = new Poll((signal) => this.#next(signal));
  #strip = new Strip(find("strip"));
  #tiles = new Tiles(find("tiles"), find("chains-readout"), 960);
  #still = new Tiles(find("still-tiles"), find("still-readout"), 260);
  #gallery = new Gallery((shown) => this.#show(shown));
  #held = calm.matches;
  /** Called with an image that was chosen. */
  onchoose = () => {};
  /** Called with a letter and an image for that slot of the landscape. */
  onslot = () => {};
  /** Called with an iteration that is now done. */
  oniteration = () => {};
  /** Called once there are chains, with the tiles that show them. */
  onfirst = () => {};

  constructor() {
    for (const tiles of [this.#tiles, this.#still]) {
      tiles.onchoose = (image) => (this.#picking ? this.#picked(image) : this.onchoose(image));
      tiles.onslot = (letter, image) => this.onslot(letter, image);
      tiles.hint(HINT);
    }
    this.#tiles.onpoint = (index) => this.#strip.point(index);
    find("chains-pause").addEventListener("click", () => this.toggle());
    find("gallery-restart").addEventListener("click", () => this.#again());
    find("gallery-class").querySelector("select").addEventListener("change", () => this.#again());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#picked(null));
    theme.listeners.add(() => this.#tiles.frame && this.#tiles.show(this.#tiles.frame, this.#about.classes));
  }

  /** Whether the chains are the run's own, and move. */
  get #live() {
    return this.#about.training && this.#about.chains;
  }

  begin(about) {
    this.#about = about;
    this.#after = 0;
    this.#gallery.stop();
    const none = !about.chains && about.playable !== null;
    find("chains").hidden = none;
    find("main").classList.toggle("chainless", none);
    const own = !this.#live && about.playable === null;
    find("gallery-restart").hidden = !own;
    find("still").hidden = true;
    find("chains-pause").hidden = !own && !this.#live;
    this.#tiles.unit = own ? "step" : "round";
    this.#tiles.flashes = this.#live && !calm.matches;
    if (own) this.#gallery.begin(about, find("gallery-class"), this.#held);
    if (about.chains && !(this.#live && this.#held && this.#tiles.frame)) this.#poll.start();
    this.#say();
  }

  /** The mean energy of the data, as training says. */
  data(energy) {
    this.#strip.data(energy);
  }

  toggle() {
    this.#held = !this.#held;
    if (this.#live) this.#held ? this.#poll.stop() : this.#poll.start();
    else this.#gallery.hold(this.#held);
    this.#say();
  }

  /** The connection is lost: what is shown stays. */
  rest() {
    this.#gallery.stop();
  }

  /** The next chain that is chosen; null where Escape is pressed. */
  pick(letter) {
    this.#picked(null);
    const tiles = this.#tiles.frame ? this.#tiles : this.#still;
    if (!tiles.frame) return Promise.resolve(null);
    find("chains").classList.add("picking");
    for (const shown of [this.#tiles, this.#still]) shown.hint(`Choose a chain for ${letter}, or press Escape.`);
    find("chains").scrollIntoView({ block: "start" });
    find("chains").querySelector(".tile[tabindex='0']")?.focus({ preventScroll: true });
    return new Promise((done) => (this.#picking = done));
  }

  #picked(image) {
    const done = this.#picking;
    this.#picking = null;
    if (!done) return;
    find("chains").classList.remove("picking");
    for (const shown of [this.#tiles, this.#still]) shown.hint(HINT);
    done(image);
  }

  #again() {
    this.#held = false;
    this.#gallery.restart();
    this.#say();
  }

  async #next(signal) {
    const { status, bytes } = await ask(`/frame/${this.#after}`, { signal });
    if (status === 204) return false;
    const shown = frame(bytes);
    this.#after = shown.number;
    if (this.#live) {
      this.oniteration(shown.iteration);
      this.#show(shown);
      // Who wants no motion sees one frame, and the next ones when they ask.
      if (this.#held) this.#poll.stop();
    } else {
      this.#poll.stop();
      this.#keep(shown);
    }
    this.#say();
    return true;
  }

  #show(shown) {
    scale.see(shown.energies);
    this.#tiles.show(shown, this.#about.classes);
    this.#strip.show(shown.energies);
    if (this.#live || shown.ages[0] >= this.#about.sampler.steps) this.#greet(this.#tiles);
    if (!this.#live) this.#say();
  }

  /** The buffer of a run that does not train, as a still. */
  #keep(shown) {
    if (this.#about.playable !== null) return this.#show(shown);
    find("still").hidden = false;
    find("still-title").textContent = `The buffer after ${count(shown.iteration)} iterations`;
    scale.see(shown.energies);
    this.#still.show(shown, this.#about.classes);
    this.#greet(this.#still);
  }

  /** Tells the rest of the page, once, that there are chains to look at. */
  #greet(tiles) {
    if (!this.#greeted) this.onfirst(tiles);
    this.#greeted = true;
  }

  #say() {
    const held = this.#live ? this.#held : this.#gallery.held;
    find("chains-pause").textContent = held ? "Go on" : "Pause";
    find("chains-caption").textContent = this.#caption(held);
  }

  #caption(held) {
    const n = this.#tiles.frame?.n;
    if (!this.#live) return this.#about.playable === null ? this.#gallery.caption : "The buffer of this run.";
    if (held) return "Paused here. Training goes on.";
    return n ? `${n} of the replay buffer, as Langevin dynamics moves them.` : "Waiting for the first frame.";
  }
}
