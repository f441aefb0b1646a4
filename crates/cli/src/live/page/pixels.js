// Put images of a model's shape onto canvases.

/** RGBA of one image of `pixels`, in which 1 (or `top`) is white. */
export function rgba(pixels, [c, h, w], { offset = 0, top = 1 } = {}) {
  const image = new ImageData(w, h);
  const size = h * w;
  const [g, b] = c >= 3 ? [size, 2 * size] : [0, 0];
  const factor = 255 / top;
  for (let i = 0; i < size; i++) {
    const from = offset + i;
    image.data[4 * i] = pixels[from] * factor + 0.5;
    image.data[4 * i + 1] = pixels[from + g] * factor + 0.5;
    image.data[4 * i + 2] = pixels[from + b] * factor + 0.5;
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/** Draws an image into a canvas of its own size. */
export function put(canvas, pixels, shape, options) {
  if (canvas.width !== shape[2] || canvas.height !== shape[1]) [canvas.width, canvas.height] = [shape[2], shape[1]];
  canvas.getContext("2d").putImageData(rgba(pixels, shape, options), 0, 0);
}

/** One image of a frame, in [0, 1]. */
export function single(frame, index) {
  const [c, h, w] = frame.shape;
  const size = c * h * w;
  const image = new Float32Array(size);
  for (let i = 0; i < size; i++) image[i] = frame.pixels[index * size + i] / frame.top;
  return image;
}

/** How many screen pixels a pixel of an image of this width takes, whole ones. */
export function zoom(room, width) {
  return Math.max(1, Math.floor(room / width));
}

/** A canvas in the size that it has on the screen, sharp on every display: its context, in CSS pixels. */
export function sharp(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const draw = canvas.getContext("2d");
  draw.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw.clearRect(0, 0, width, height);
  return { draw, width, height };
}

/** Round numbers between two values, about `many` of them. */
export function ticks(low, high, many) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / many;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}
