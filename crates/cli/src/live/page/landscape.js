// Ask for the energies on the plane through three pictures, and let the map be walked over.

import { ink, theme } from "./colours.js";
import { find, make } from "./dom.js";
import { choices, chosen } from "./gallery.js";
import { put, sharp } from "./pixels.js";
import { Relief } from "./relief.js";
import { connection, picture, play } from "./wire.js";
import { count } from "./words.js";

const [LOW, HIGH] = [-0.25, 1.25];
const CORNERS = { a: [0, 0], b: [1, 0], c: [0, 1] };
const LETTERS = Object.keys(CORNERS);

export class Landscape {
  #about = null;
  #slots = {};
  #relief = new Relief(find("map"), find("legend"));
  #place = null;
  #trail = [];
  #seen = false;
  #asking = false;
  #again = false;
  #iteration = 0;
  /** Called with a mix that was chosen. */
  onchoose = () => {};
  /** Gives the playground's picture, or null. */
  present = () => null;
  /** Gives a chain that is chosen for a letter, or null. */
  pick = async () => null;

  constructor() {
    for (const letter of LETTERS) this.#slot(letter);
    const map = find("map");
    map.addEventListener("pointermove", (event) => this.#point(this.#under(event)));
    map.addEventListener("pointerleave", () => map === document.activeElement || this.#point(null));
    map.addEventListener("click", (event) => (this.#point(this.#under(event)), this.#choose()));
    map.addEventListener("keydown", (event) => this.#key(event));
    map.addEventListener("blur", () => this.#point(null));
    find("redraw").addEventListener("click", () => this.#ask());
    find("detail").addEventListener("change", () => this.#ask());
    find("map-class").addEventListener("change", () => this.#ask());
    new ResizeObserver(() => this.#over()).observe(map);
    new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      if (this.#seen && !this.#relief.known) this.#ask();
    }).observe(find("survey"));
    theme.listeners.add(() => this.#over());
  }

  begin(about) {
    this.#about = about;
    this.#iteration = about.iteration;
    find("landscape").hidden = about.playable !== null;
    find("map-class").hidden = about.classes.length === 0;
    choices(find("map-class").querySelector("select"), about.classes);
  }

  /** An iteration that is now done. */
  at(iteration) {
    this.#iteration = iteration;
  }

  /** Three tiles for a start: the lowest energy, and two others that look different. */
  start(tiles) {
    if (LETTERS.some((letter) => this.#slots[letter].pixels)) return;
    const first = tiles.lowest();
    const images = Array.from({ length: tiles.frame.n }, (_, i) => tiles.image(i).pixels);
    const away = (i, j) => images[i].reduce((sum, value, k) => sum + (value - images[j][k]) ** 2, 0);
    const calm = [...tiles.frame.energies.keys()].sort((i, j) => tiles.frame.energies[i] - tiles.frame.energies[j]);
    const half = calm.slice(1, Math.max(3, Math.ceil(calm.length / 2)));
    const chosen = [first];
    while (chosen.length < 3 && half.length) {
      const least = (i) => Math.min(...chosen.map((j) => away(i, j)));
      chosen.push(half.sort((i, j) => least(j) - least(i)).shift());
    }
    if (chosen.length === 3) chosen.forEach((index, k) => this.set(LETTERS[k], tiles.image(index), false));
    if (this.#seen) this.#ask();
  }

  /** Puts an image into a slot. */
  set(letter, image, ask = true) {
    const slot = this.#slots[letter];
    slot.pixels = image.pixels.slice();
    put(slot.canvas, slot.pixels, this.#about.shape);
    slot.canvas.hidden = false;
    slot.name.textContent = image.name ?? "";
    this.#trail = [];
    if (ask) this.#ask();
  }

  /** Follows the playground's picture, seen from this plane. */
  follow(pixels, another) {
    if (another) this.#trail = [];
    const at = this.#ready && this.#project(pixels);
    if (!at) return;
    this.#trail.push(at);
    if (this.#trail.length > 200) this.#trail.shift();
    if (this.#seen) this.#over();
  }

  get #ready() {
    return LETTERS.every((letter) => this.#slots[letter].pixels);
  }

  #slot(letter) {
    const root = make("div", "slot");
    const [canvas, name, file] = [make("canvas", "pixels"), make("span", "name"), make("input")];
    canvas.hidden = true;
    Object.assign(file, { type: "file", accept: "image/*", hidden: true });
    file.addEventListener("change", () => this.#open(letter, file));
    const button = (text, title, act) => {
      const made = Object.assign(make("button", "link", text), { type: "button", title });
      made.setAttribute("aria-label", `${letter}: ${title}`);
      made.addEventListener("click", act);
      return made;
    };
    const tools = make("div", "slot-tools");
    tools.append(
      button("drawn", "The playground's picture", () => {
        const pixels = this.present();
        if (pixels) this.set(letter, { pixels, name: "drawn" });
      }),
      button("chain", `A chain; on a focused chain the key ${letter} does the same`, async () => {
        const image = await this.pick(letter);
        if (image) this.set(letter, image);
        find("landscape").scrollIntoView({ block: "center" });
      }),
      button("file", "A picture file", () => file.click()),
    );
    const frame = make("div", "slot-frame");
    frame.append(canvas);
    frame.append(make("b", "letter", letter));
    root.append(frame, name, tools, file);
    find("slots").insertBefore(root, find("slots").lastElementChild);
    this.#slots[letter] = { canvas, name, pixels: null };
  }

  async #open(letter, file) {
    try {
      if (file.files[0]) this.set(letter, { pixels: await picture(file.files[0]), name: file.files[0].name });
    } catch (problem) {
      connection.failed(problem);
    }
    file.value = "";
  }

  async #ask() {
    if (!this.#ready || this.#about.playable !== null) return;
    this.#again = this.#asking;
    if (this.#asking) return;
    this.#asking = true;
    find("map-note").textContent = "drawing";
    const size = this.#slots.a.pixels.length;
    const three = new Float32Array(3 * size);
    LETTERS.forEach((letter, k) => three.set(this.#slots[letter].pixels, k * size));
    const label = chosen(find("map-class").querySelector("select"));
    try {
      const head = { side: Number(find("detail").value), low: LOW, high: HIGH, class: label };
      const { head: { side }, pixels } = await play("/play/slice", head, three);
      this.#relief.show(pixels, side, LOW, HIGH);
      find("map-note").textContent = `after ${count(this.#iteration)} iterations`;
      this.#over();
    } catch (problem) {
      find("map-note").textContent = "";
      connection.failed(problem);
    }
    this.#asking = false;
    if (this.#again) this.#ask();
  }

  #under(event) {
    const box = find("map").getBoundingClientRect();
    const share = (at, from, size) => LOW + (HIGH - LOW) * Math.min(1, Math.max(0, (at - from) / size));
    return [share(event.clientX, box.left, box.width), LOW + HIGH - share(event.clientY, box.top, box.height)];
  }

  #mix([u, v]) {
    const { a, b, c } = this.#slots;
    return a.pixels.map((value, i) => {
      const mixed = value + u * (b.pixels[i] - value) + v * (c.pixels[i] - value);
      return Math.min(1, Math.max(0, mixed));
    });
  }

  /** The place of the plane that is nearest to an image: a system of two equations. */
  #project(pixels) {
    const { a, b, c } = this.#slots;
    let [bb, bc, cc, xb, xc] = [0, 0, 0, 0, 0];
    pixels.forEach((value, i) => {
      const [x, y, z] = [value - a.pixels[i], b.pixels[i] - a.pixels[i], c.pixels[i] - a.pixels[i]];
      [bb, bc, cc, xb, xc] = [bb + y * y, bc + y * z, cc + z * z, xb + x * y, xc + x * z];
    });
    const det = bb * cc - bc * bc;
    return det > 1e-9 ? [(xb * cc - xc * bc) / det, (xc * bb - xb * bc) / det] : null;
  }

  #point(place) {
    this.#place = place;
    this.#over();
    if (!place || !this.#relief.known) return (find("mix-text").textContent = "Point at the map");
    put(find("mix"), this.#mix(place), this.#about.shape);
    find("mix-text").textContent = `E ${this.#relief.scale.text(this.#relief.at(...place))}`;
  }

  #choose() {
    if (!this.#place || !this.#relief.known) return;
    this.onchoose({ pixels: this.#mix(this.#place), label: null, name: "the map" });
  }

  #key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key === "Enter") this.#choose();
    else if (event.key in moves) {
      const [u, v] = this.#place ?? [0.5 - 0.02, 0.5];
      const inside = (t) => Math.min(HIGH, Math.max(LOW, t));
      const step = event.shiftKey ? 0.1 : 0.02;
      this.#point([inside(u + step * moves[event.key][0]), inside(v + step * moves[event.key][1])]);
    } else return;
    event.preventDefault();
  }

  /** Marks of the three pictures, the playground's way, and the cursor. */
  #over() {
    const { draw, width } = sharp(find("map-over"));
    if (!width || !this.#relief.known) return;
    const at = ([u, v]) => [((u - LOW) / (HIGH - LOW)) * width, width - ((v - LOW) / (HIGH - LOW)) * width];
    this.#way(draw, at);
    for (const letter of LETTERS) this.#survey(draw, at(CORNERS[letter]), letter);
    if (!this.#place) return;
    const [x, y] = at(this.#place);
    [draw.strokeStyle, draw.lineWidth] = [ink("on-map"), 1.5];
    draw.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      draw.moveTo(x + 5 * dx, y + 5 * dy);
      draw.lineTo(x + 15 * dx, y + 15 * dy);
    }
    draw.stroke();
  }

  #way(draw, at) {
    if (!this.#trail.length) return;
    [draw.strokeStyle, draw.fillStyle, draw.lineWidth] = [ink("on-map"), ink("on-map"), 1.5];
    draw.beginPath();
    for (const place of this.#trail) draw.lineTo(...at(place));
    draw.stroke();
    draw.beginPath();
    draw.arc(...at(this.#trail.at(-1)), 4, 0, 2 * Math.PI);
    draw.fill();
  }

  #survey(draw, [x, y], letter) {
    draw.lineJoin = "round";
    for (const [colour, line] of [["halo", 5], ["on-map", 1.8]]) {
      [draw.strokeStyle, draw.lineWidth] = [ink(colour), line];
      draw.beginPath();
      draw.moveTo(x, y - 8);
      draw.lineTo(x + 7, y + 5);
      draw.lineTo(x - 7, y + 5);
      draw.closePath();
      draw.stroke();
    }
    draw.fillStyle = ink("on-map");
    draw.fillRect(x - 1.25, y - 1, 2.5, 2.5);
    draw.font = `italic 17px ${getComputedStyle(find("landscape-title")).fontFamily}`;
    [draw.lineWidth, draw.strokeStyle] = [4, ink("halo")];
    draw.strokeText(letter, x + 11, y + 5);
    draw.fillText(letter, x + 11, y + 5);
  }
}
