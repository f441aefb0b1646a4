// Ask the server: JSON, bodies of pixels, and long polls that wait while nobody looks.

/** An answer that says no, in the server's own words. */
export class Refusal extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

const LONGEST_WAIT_MS = 30_000;
/** An answer that brings nothing comes late; one that does not is not asked for again at once. */
const SOON_MS = 1000;
/** The server is another one than that which numbered what this page knows. */
const GONE = 410;

/** Fetches, and throws a `Refusal` where the status says no. */
export async function ask(path, { method = "GET", body, signal, limit = LONGEST_WAIT_MS } = {}) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new TypeError("no answer")), limit);
  const end = () => stop.abort(signal.reason);
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end);
  try {
    const headers = method === "POST" ? { "X-Ebm": "1" } : {};
    const answer = await fetch(path, { method, body, headers, signal: stop.signal, cache: "no-store" });
    if (!answer.ok) {
      const words = (await answer.text()).trim();
      throw new Refusal(words || `the server answers ${answer.status}`, answer.status);
    }
    return { status: answer.status, bytes: await answer.arrayBuffer() };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/** An answer in JSON. */
export async function json(path, options) {
  return JSON.parse(new TextDecoder().decode((await ask(path, options)).bytes));
}

/** Sends a line of JSON and pixels, and reads the same: `{head, pixels}`. */
export async function play(path, head, pixels = new Float32Array(), known = null) {
  const parts = [JSON.stringify(head), "\n", pixels];
  if (known) parts.push(known);
  return opened((await ask(path, { method: "POST", body: new Blob(parts), limit: 120_000 })).bytes);
}

/** The pixels of a picture file, in the model's shape. */
export async function picture(file) {
  return opened((await ask("/play/picture", { method: "POST", body: file })).bytes).pixels;
}

function opened(bytes) {
  const end = new Uint8Array(bytes).indexOf(10);
  const head = JSON.parse(new TextDecoder().decode(bytes.slice(0, end)));
  return { head, pixels: new Float32Array(bytes.slice(end + 1)) };
}

/** Chains as they are now, of `GET /frame/{after}`. */
export function frame(bytes) {
  const [number, iteration, n, ...shape] = new Uint32Array(bytes, 0, 6);
  const at = (place) => 24 + 4 * n * place;
  return {
    number, iteration, n, shape, top: 255,
    energies: new Float32Array(bytes, at(0), n),
    ages: new Uint32Array(bytes, at(1), n),
    classes: new Uint32Array(bytes, at(2), n),
    pixels: new Uint8Array(bytes, at(3)),
  };
}

/** Waits until the page can be seen. */
export function seen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      done();
    };
    document.addEventListener("visibilitychange", look);
  });
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const polls = new Set();
document.addEventListener("visibilitychange", () => {
  if (document.hidden) for (const poll of polls) poll.interrupt();
});

/** Takes turns until it is stopped: none while the page is hidden, none after the connection is lost. */
export class Poll {
  #turn;
  #control = null;
  #run = null;

  /** `turn(signal)` asks once, uses what comes, and says whether anything came. */
  constructor(turn) {
    this.#turn = turn;
  }

  start() {
    if (this.#run) return;
    polls.add(this);
    this.#go((this.#run = {}));
  }

  stop() {
    polls.delete(this);
    this.#run = null;
    this.interrupt();
  }

  interrupt() {
    this.#control?.abort(new DOMException("hidden", "AbortError"));
  }

  async #go(run) {
    while (await seen(), this.#run === run) {
      this.#control = new AbortController();
      const asked = performance.now();
      try {
        const came = await this.#turn(this.#control.signal);
        if (!came) await pause(Math.max(0, SOON_MS - (performance.now() - asked)));
      } catch (problem) {
        if (this.#run !== run || problem.name === "AbortError") continue;
        if (!(problem instanceof Refusal) || problem.status === GONE) return this.stop(), connection.lose();
        connection.say(problem.message);
        await pause(3 * SOON_MS);
      }
    }
  }
}

/** Whether the server answers. Who loses it calls `lose`; the page is told, and told again when it is back. */
export const connection = {
  lost: false,
  /** Called with a problem in words. */
  say: () => {},
  /** Called with the seconds to the next try. */
  onlost: () => {},
  /** Called with what `/about` says. */
  onfound: () => {},

  /** Says what went wrong with a request, and looks for the server where there was no answer. */
  failed(problem) {
    if (problem.name === "AbortError") return;
    if (problem instanceof Refusal) this.say(problem.message);
    else if (problem instanceof TypeError) this.lose();
    else throw problem;
  },

  async lose() {
    if (this.lost) return;
    this.lost = true;
    for (const poll of [...polls]) poll.stop();
    for (let wait = 0.5; this.lost; wait = Math.min(2 * wait, 15)) {
      for (let left = wait; left > 0; left -= 1) {
        this.onlost(Math.ceil(left));
        await pause(Math.min(left, 1) * 1000);
      }
      await seen();
      try {
        const about = await json("/about", { limit: 5000 });
        this.lost = false;
        this.onfound(about);
      } catch (problem) {
        if (problem instanceof Refusal) this.say(problem.message);
      }
    }
  },
};
