// Start the page: ask what run this is, hand its events to all who need them, and start again when the server is back.

import { Chains } from "./chains.js";
import { theme } from "./colours.js";
import { find } from "./dom.js";
import { Header } from "./header.js";
import { Keys } from "./keys.js";
import { Landscape } from "./landscape.js";
import { Metrics } from "./metrics.js";
import { Playground } from "./playground.js";
import { Samples } from "./samples.js";
import { Poll, connection, json } from "./wire.js";

const SAID_MS = 9000;

const header = new Header();
const chains = new Chains();
const playground = new Playground();
const metrics = new Metrics();
const samples = new Samples();
const landscape = new Landscape();
let shape = null;
let next = 0;

const events = new Poll(async (signal) => {
  const answer = await json(`/events/${next}`, { signal });
  next = answer.next;
  if (answer.events.length === 0) return false;
  for (const part of [header, metrics, samples]) part.take(answer.events);
  chains.data(metrics.newest("e_pos"));
  return true;
});

function begin(about) {
  const now = JSON.stringify([about.run, about.shape, about.classes]);
  // Another run, or another model: nothing on this page is of it.
  if (shape !== null && shape !== now) return location.reload();
  shape = now;
  next = 0;
  metrics.clear();
  samples.clear();
  for (const part of [header, playground, landscape, chains]) part.begin(about);
  events.start();
}

let quiet = 0;
connection.say = (words) => {
  const message = find("message");
  message.textContent = words;
  message.hidden = false;
  clearTimeout(quiet);
  quiet = setTimeout(() => (message.hidden = true), SAID_MS);
};
connection.onlost = (seconds) => {
  playground.halt();
  chains.rest();
  header.lost(seconds);
};
connection.onfound = begin;

function take(image) {
  playground.take(image);
  const { top, bottom } = find("easel").getBoundingClientRect();
  if (top >= 0 && bottom <= innerHeight) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  find("playground").scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

chains.onchoose = take;
chains.onslot = (letter, image) => landscape.set(letter, image);
chains.onfirst = (tiles) => {
  if (playground.untouched) playground.take(tiles.image(tiles.lowest()));
  landscape.start(tiles);
};
chains.oniteration = (iteration) => {
  header.at(iteration);
  landscape.at(iteration);
};
landscape.onchoose = take;
landscape.present = () => playground.pixels;
landscape.pick = (letter) => chains.pick(letter);
playground.onpicture = (pixels, another) => landscape.follow(pixels, another);

const tool = (value) => document.querySelector(`input[name="tool"][value="${value}"]`).click();
const wider = (by) => {
  find("size").value = Number(find("size").value) + by;
  find("size").dispatchEvent(new Event("input", { bubbles: true }));
};
find("sampler").open = innerWidth >= 1080;
find("theme").addEventListener("click", () => theme.toggle());
new Keys([
  [" ", "run or pause restoring", () => playground.toggle()],
  ["s", "one step", () => playground.step()],
  ["z", "undo", () => playground.undo()],
  ["n", "start from noise", () => playground.noise()],
  ["o", "open a picture", () => find("file").click()],
  ["d", "draw", () => tool("draw")],
  ["e", "erase to black", () => tool("black")],
  ["[", "smaller brush", () => wider(-0.5)],
  ["]", "larger brush", () => wider(0.5)],
  ["p", "pause the chains", () => chains.toggle()],
  ["t", "light or dark", () => theme.toggle()],
  ["?", "this list", () => find("keys").showModal()],
]);

try {
  begin(await json("/about"));
} catch (problem) {
  connection.failed(problem);
}
