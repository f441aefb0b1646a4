// Say how the run stands: iteration, time left, speed, state, and what to type next.

import { find, make } from "./dom.js";
import { ask, connection } from "./wire.js";
import { brief, count, duration, shell } from "./words.js";

export class Header {
  #about = null;
  #iteration = 0;
  /** Whether the training has ended before the eyes of this page. */
  #ended = false;
  /** Why it has ended, where it failed. */
  #failure = null;
  #eta = { seconds: NaN, since: 0 };
  #asked = false;

  constructor() {
    find("checkpoint").addEventListener("click", () => this.#checkpoint());
    find("stop").addEventListener("click", () => this.#question(true));
    find("stop-no").addEventListener("click", () => this.#question(false));
    find("stop-yes").addEventListener("click", () => this.#stop());
    find("asks").addEventListener("keydown", (event) => event.key === "Escape" && this.#question(false));
    setInterval(() => document.hidden || this.#left(), 1000);
  }

  begin(about) {
    this.#about = about;
    this.#ended = false;
    this.#failure = null;
    this.#iteration = 0;
    find("run").textContent = about.run.split("/").filter(Boolean).slice(-2).join("/");
    find("run").title = about.run;
    // What stands in brackets is for those who ask.
    [find("device").textContent] = about.device.split(" (");
    find("device").title = about.device;
    find("version").textContent = about.version;
    const { method, steps, step_size, noise_std, temperature } = about.sampler;
    const chain = `${steps} steps of size ${step_size}, noise ${noise_std}, temperature ${temperature}`;
    find("sampler-text").textContent = `Its sampler: ${method}, ${chain}.`;
    this.at(about.iteration);
    this.#state(about.training ? "training" : "ended", about.training ? "Training" : "Not training");
    find("eta-fact").hidden = !about.training;
    const rest = !about.training && about.iteration < about.total;
    const command = `ebm train --run-dir ${shell(about.run)} --live`;
    this.#next(rest ? ["Not at its end. To go on with the training: ", command] : []);
  }

  /** Whether nothing trains. */
  get #rests() {
    return this.#ended || !this.#about?.training;
  }

  /** Iterations done. */
  at(iteration) {
    if (!this.#about || iteration < this.#iteration) return;
    this.#iteration = iteration;
    const { total, run } = this.#about;
    const share = total ? Math.min(1, iteration / total) : 0;
    find("iteration").textContent = count(iteration);
    find("iteration-of").textContent = `of ${count(total)} iterations`;
    const bar = find("progress");
    bar.setAttribute("aria-valuemax", total);
    bar.setAttribute("aria-valuenow", iteration);
    bar.firstElementChild.style.width = `${100 * share}%`;
    const name = run.split("/").pop();
    document.title = this.#rests ? `${name} – ebm` : `${Math.floor(100 * share)} % – ${name} – ebm`;
  }

  take(events) {
    for (const event of events) {
      if (event.rollback) this.#iteration = event.rollback.to;
      else if ("iteration" in event) this.#line(event);
      else if ("checkpoint" in event) find("saved").textContent = count(event.checkpoint);
      else if ("failed" in event) this.#failure = event.failed;
      else if ("ended" in event) this.#end(event.ended);
    }
    const last = events.findLast((event) => "checkpoint" in event);
    if (last && this.#asked) {
      this.#asked = false;
      find("checkpoint").disabled = false;
      connection.say(`Checkpoint written after ${count(last.checkpoint)} iterations.`);
    }
  }

  #line({ iteration, eta_s, s_per_iteration, image_steps_per_s }) {
    // What does not train stands where its weights do.
    if (!this.#rests) this.at(iteration);
    this.#eta = { seconds: eta_s ?? NaN, since: performance.now() };
    find("pace").textContent = brief(s_per_iteration ?? NaN);
    find("speed").textContent = Number.isFinite(image_steps_per_s) ? count(image_steps_per_s) : "–";
    find("speed-of").textContent = this.#about.chains ? "image-steps a second" : "images a second";
    this.#left();
  }

  #left() {
    const { seconds, since } = this.#eta;
    const left = seconds - (performance.now() - since) / 1000;
    find("eta").textContent = this.#rests ? "–" : duration(Math.max(left, 0));
  }

  #end(iteration) {
    this.at(iteration);
    if (!this.#about.training) return;
    this.#ended = true;
    this.#state("ended", this.#failure === null ? "Ended" : "Failed");
    const words = this.#failure === null
      ? "Training has ended, and its last checkpoint is written. To go on looking: "
      : `Training has failed: ${this.#failure}. Where it has a checkpoint, this goes on looking: `;
    this.#next([words, `ebm live ${shell(this.#about.run)}`]);
    this.at(this.#iteration);
    this.#left();
  }

  /** The server does not answer; the next try is in so many seconds. */
  lost(seconds) {
    if (find("state").dataset.state !== "lost") {
      this.#state("lost", this.#ended ? "Ended, server gone" : "Connection lost");
      const words = this.#ended ? "Training has ended, and the server with it." : "The server does not answer.";
      this.#next([`${words} To look at it again: `, `ebm live ${shell(this.#about?.run ?? "RUN")}`]);
    }
    find("countdown").textContent = `, next try in ${seconds} s`;
  }

  #state(state, words) {
    find("state").dataset.state = state;
    find("state-text").textContent = words;
    find("countdown").textContent = "";
    for (const id of ["stop", "checkpoint"]) find(id).hidden = state !== "training";
    if (state !== "training") this.#question(false);
  }

  /** Words and a command to type. */
  #next(parts) {
    const notice = find("notice");
    notice.hidden = parts.length === 0;
    notice.replaceChildren(...parts.map((part, i) => (i === 0 ? part : make("code", "", part))));
  }

  #question(on) {
    const focused = find("asks").contains(document.activeElement);
    find("asks").hidden = !on;
    const training = find("state").dataset.state === "training";
    find("stop").hidden = on || !training;
    find("checkpoint").hidden = on || !training;
    if (on) find("stop-no").focus();
    else if (focused && training) find("stop").focus();
  }

  async #stop() {
    this.#question(false);
    find("stop").disabled = true;
    try {
      await ask("/stop", { method: "POST" });
      connection.say("Training stops after this iteration, and writes a checkpoint.");
    } catch (problem) {
      find("stop").disabled = false;
      connection.failed(problem);
    }
  }

  async #checkpoint() {
    find("checkpoint").disabled = true;
    this.#asked = true;
    try {
      await ask("/checkpoint", { method: "POST" });
      // The event may have come before the answer.
      if (this.#asked) connection.say("A checkpoint is written after this iteration.");
    } catch (problem) {
      this.#asked = false;
      find("checkpoint").disabled = false;
      connection.failed(problem);
    }
  }
}
