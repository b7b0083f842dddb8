// From the tensors of the model to boxes and masks in pixels, as Predictor computes them. Knows no page.

const MASK_THRESHOLD = 0.5; // a pixel of a soft mask above it belongs to the instance
const WORD_BITS = 32; // pixels per word of a packed mask

/** RGBA bytes of a canvas -> BGR bytes, [height, width, 3]. */
export function bgrOf(rgba) {
  const bgr = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    bgr[to] = rgba[from + 2];
    bgr[to + 1] = rgba[from + 1];
    bgr[to + 2] = rgba[from];
  }
  return bgr;
}

/**
 * What the model found in a picture of `height` x `width` px, best first: class index, score, mask score,
 * box [x1, y1, x2, y2] in px, and the mask as a window {top, left, height, width, bits} with one byte per pixel.
 * model: what model.json says. tensors: by name, each with `dims` and `data`.
 */
export function detectionsOf(tensors, model, height, width) {
  const count = Number(tensors.num_detections.data[0]);
  const view = viewOf(model, height, width);
  const upsample = model.masks === "prototype" ? upsampler(tensors.masks, view) : null;
  return Array.from({ length: count }, (_, index) => {
    const box = seenBox(tensors.boxes.data.subarray(4 * index, 4 * index + 4), view);
    const score = tensors.scores.data[index];
    return {
      class: Number(tensors.classes.data[index]),
      score,
      maskScore: tensors.mask_scores ? tensors.mask_scores.data[index] : score,
      box: boxInPixels(box, view),
      mask: upsample ? upsample(index, box) : unpacked(tensors.masks, index, height, width),
    };
  });
}

/** What the network sees: the picture, or a square of its longer side with the picture at the top left. */
function viewOf(model, height, width) {
  const side = Math.max(height, width);
  const [seenHeight, seenWidth] = model.resize === "keep_aspect" ? [side, side] : [height, width];
  return { height, width, seenHeight, seenWidth };
}

/** A box relative to the picture -> relative to what the network sees. */
function seenBox(box, { height, width, seenHeight, seenWidth }) {
  const scales = [Math.fround(seenWidth / width), Math.fround(seenHeight / height)];
  return Array.from(box, (edge, index) => Math.fround(edge / scales[index % 2]));
}

/** Extent along an axis of `size` px, in order; each end is held at the picture's edge. float32 throughout. */
function extent(start, end, size, padding = 0) {
  const [first, second] = [Math.fround(start * size), Math.fround(end * size)];
  const low = Math.fround(Math.min(first, second) - padding);
  const high = Math.fround(Math.max(first, second) + padding);
  return [Math.max(low, 0), Math.min(high, size)];
}

function boxInPixels([left, top, right, bottom], { seenHeight, seenWidth }) {
  const [x1, x2] = extent(left, right, seenWidth).map(Math.trunc);
  const [y1, y2] = extent(top, bottom, seenHeight).map(Math.trunc);
  return [x1, y1, x2, y2];
}

/** The source pixels that a box leaves of a cropped mask, with the padding of one pixel: [first, past the last]. */
function cropped(start, end, size) {
  return extent(start, end, size, 1).map((edge) => Math.min(Math.max(Math.ceil(edge), 0), size));
}

/** Bilinear interpolation along one axis, half-pixel centres: the left source pixel of each output, and weights. */
function axis(source, size) {
  const left = new Int32Array(size);
  const weights = new Float32Array(2 * size); // of the left and the right source pixel
  const scale = Math.fround(source / size);
  for (let output = 0; output < size; output++) {
    const centre = Math.fround(Math.fround(Math.fround(output + 0.5) * scale) - 0.5);
    const position = Math.min(Math.max(centre, 0), source - 1);
    left[output] = Math.min(Math.trunc(position), Math.max(source - 2, 0));
    weights[2 * output + 1] = position - left[output];
    weights[2 * output] = 1 - weights[2 * output + 1];
  }
  return { left, weights, last: source - 1 };
}

/** The outputs up to `limit` that source pixels [low, high) can touch: [first, past the last]. */
function reach({ left }, low, high, limit) {
  const [start, stop] = [low - 1, high].map((edge) => left.findIndex((source) => source >= edge));
  return [start < 0 ? limit : Math.min(start, limit), stop < 0 ? limit : Math.min(stop, limit)];
}

/** A function (index, box) -> the mask at picture size, worked out only where the box lets it be set. */
function upsampler(masks, { height, width, seenHeight, seenWidth }) {
  const [protoHeight, protoWidth] = masks.dims.slice(-2);
  const [rows, columns] = [axis(protoHeight, seenHeight), axis(protoWidth, seenWidth)];
  return (index, [left, top, right, bottom]) => {
    const [x1, x2] = cropped(left, right, protoWidth);
    const [y1, y2] = cropped(top, bottom, protoHeight);
    if (x1 >= x2 || y1 >= y2) return emptyMask();
    const [firstRow, pastRow] = reach(rows, y1, y2, height);
    const [firstColumn, pastColumn] = reach(columns, x1, x2, width);
    const window = { top: firstRow, left: firstColumn, height: pastRow - firstRow, width: pastColumn - firstColumn };
    const [low, high] = [Math.max(y1 - 1, 0), Math.min(y2 + 1, protoHeight)];
    const from = masks.data.subarray(index * protoHeight * protoWidth);
    const strip = new Float32Array((high - low) * window.width);
    for (let row = low, to = 0; row < high; row++) {
      for (let column = firstColumn; column < pastColumn; column++, to++) {
        strip[to] = mixed(from, row * protoWidth, 1, columns, column);
      }
    }
    const bits = new Uint8Array(window.height * window.width);
    for (let row = firstRow, to = 0; row < pastRow; row++) {
      for (let column = 0; column < window.width; column++, to++) {
        bits[to] = mixed(strip, column - low * window.width, window.width, rows, row) > MASK_THRESHOLD;
      }
    }
    return { ...window, bits };
  };
}

/** Output `output` of an axis whose source pixel i is data[start + i * step]. */
function mixed(data, start, step, { left, weights, last }, output) {
  const source = left[output];
  const first = Math.fround(data[start + source * step] * weights[2 * output]);
  const second = Math.fround(data[start + Math.min(source + 1, last) * step] * weights[2 * output + 1]);
  return Math.fround(first + second);
}

function emptyMask() {
  return { top: 0, left: 0, height: 0, width: 0, bits: new Uint8Array(0) };
}

/** Mask `index` of packed masks, int32 [1, D, height, words]: pixel 32 w + b is bit b of word w. */
function unpacked(masks, index, height, width) {
  const words = masks.dims.at(-1);
  const from = masks.data.subarray(index * height * words);
  const bits = new Uint8Array(height * width);
  for (let row = 0, to = 0; row < height; row++) {
    for (let column = 0; column < width; column++, to++) {
      bits[to] = (from[row * words + Math.floor(column / WORD_BITS)] >>> (column % WORD_BITS)) & 1;
    }
  }
  return { top: 0, left: 0, height, width, bits };
}
