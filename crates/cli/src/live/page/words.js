// Write numbers, times and names of metrics as people read them.

const THIN = "\u202f";

export const minus = (text) => text.replace("-", "\u2212");

/** 12 345, with thin spaces. */
export function count(n) {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** 1 step, 2 steps. */
export function several(n, thing) {
  return `${count(n)} ${thing}${n === 1 ? "" : "s"}`;
}

/** A value in a few characters. */
export function short(value) {
  if (!Number.isFinite(value)) return "not a number";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e4) return size >= 1e7 ? minus(value.toExponential(1)) : minus(value < 0 ? "-" : "") + count(size);
  if (size < 1e-3) return minus(value.toExponential(1));
  return minus(String(Number(value.toPrecision(3))));
}

/** A round number beside an axis. */
export function mark(value) {
  const size = Math.abs(value);
  if (size >= 1e9) return minus(value.toExponential(0));
  const [unit, name] = size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
  return minus(String(Number((value / unit).toPrecision(4)))) + name;
}

/** 2 h 05 min, 3 min 10 s. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const s = Math.max(0, Math.round(seconds));
  const pad = (n) => String(n).padStart(2, "0");
  if (s >= 86_400) return `${Math.floor(s / 86_400)} d ${pad(Math.floor(s / 3600) % 24)} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${pad(Math.floor(s / 60) % 60)} min`;
  if (s >= 60) return `${Math.floor(s / 60)} min ${pad(s % 60)} s`;
  return `${s} s`;
}

/** Seconds, or milliseconds where they are few. */
export function brief(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  return seconds < 0.1 ? `${short(1000 * seconds)} ms` : `${short(seconds)} s`;
}

/** A word as a shell takes it. */
export function shell(word) {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** What a metric means. */
export const MEANINGS = {
  e_pos: "mean energy of the batch's data",
  e_neg: "mean energy of the batch's samples",
  gap: "energy of samples less that of data; near 0 in a healthy run",
  loss: "what is minimised",
  contrastive: "contrast of data and samples",
  regularization: "penalty of energies",
  kl: "weighted KL term",
  unexplained: "share of what the gradient of E is fitted to that it leaves unexplained",
  energy: "mean energy of the noised images",
  reconstruction: "mean square of data less what is generated from their latents",
  cross_entropy: "mean −log p(y | x) of the batch",
  accuracy: "share of the batch whose class has the least energy",
  e_pos_std: "standard deviation of the data's energies",
  e_neg_std: "standard deviation of the samples' energies",
  chain_energy_before: "mean energy of chains before their steps",
  chain_energy_after: "mean energy of chains after their steps",
  pixel_grad_norm_mean: "norm of the gradient of E by pixels, mean over chains and steps",
  pixel_grad_norm_max: "the same, the largest",
  clamped_share: "share of gradient elements that the clamp changed",
  at_bound_share: "share of sample pixels at the bounds",
  acceptance: "mean acceptance probability",
  step_scale: "what the step size is multiplied by",
  stuck_share: "share of kept chains that stay far above the data",
  restarts_far_share: "share of restarted chains that stay far above the data",
  buffer_age_mean: "rounds since the buffer's chains began, mean",
  buffer_age_max: "rounds since the buffer's chains began, largest",
  weight_grad_norm: "norm of the gradient by weights, before clipping",
  lr: "learning rate",
  e_train: "mean energy of training images, averaged weights",
  e_test: "mean energy of test images, averaged weights",
  e_samples: "mean energy of fresh samples, averaged weights",
  e_noise: "mean energy of uniform noise, averaged weights",
  sample_distance: "distance of fresh samples from data; 1 as far as noise",
  frechet: "Fréchet distance of fresh samples from data; lower is closer",
  image_steps_per_s: "Langevin steps of one image a second",
  s_per_iteration: "seconds an iteration",
  evaluation_s: "seconds that the evaluation took",
};
