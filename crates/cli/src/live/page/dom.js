// Find elements, and make them.

/** The element of this id. */
export const find = (id) => document.getElementById(id);

/** An element with a class and a text. */
export function make(name, kind = "", text = "") {
  return Object.assign(document.createElement(name), { className: kind, textContent: text });
}

/** The `value` of the button that is chosen in a group. */
export function checked(name) {
  return document.querySelector(`input[name="${name}"]:checked`)?.value ?? "";
}

/** Writes beside a slider. */
export function beside(id, text) {
  document.querySelector(`output[for="${id}"]`).textContent = text;
}
