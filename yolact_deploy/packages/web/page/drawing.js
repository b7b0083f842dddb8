// Draws detections over a picture: tinted masks, boxes and labels, in one colour per class.

/** Draw `picture` (a canvas) and `detections` onto `canvas`. model: what model.json says. */
export function draw(canvas, picture, detections, model) {
  const { width, height } = picture;
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const image = context.getImageData(0, 0, width, height);
  for (const detection of [...detections].reverse()) tint(image, detection.mask, colourOf(model, detection), model);
  context.putImageData(image, 0, 0);
  const side = Math.min(width, height);
  const pen = { line: Math.max(1, Math.round(side / 350)), text: Math.max(11, Math.round(side / 32)) };
  for (const detection of [...detections].reverse()) frame(context, detection, pen, model);
}

export function colourOf(model, detection) {
  return model.palette[detection.class % model.palette.length];
}

function tint(image, mask, colour, model) {
  const rgb = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  for (let row = 0, from = 0; row < mask.height; row++) {
    let to = 4 * ((mask.top + row) * image.width + mask.left);
    for (let column = 0; column < mask.width; column++, from++, to += 4) {
      if (!mask.bits[from]) continue;
      for (let channel = 0; channel < 3; channel++) {
        image.data[to + channel] += (rgb[channel] - image.data[to + channel]) * model.mask_opacity;
      }
    }
  }
}

function frame(context, detection, pen, model) {
  const [x1, y1, x2, y2] = detection.box;
  const colour = colourOf(model, detection);
  context.lineWidth = pen.line;
  context.strokeStyle = colour;
  context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  context.font = `600 ${pen.text}px system-ui, sans-serif`;
  const text = `${model.class_names[detection.class]} ${detection.score.toFixed(2)}`;
  const wide = context.measureText(text).width + pen.text / 2;
  const high = pen.text * 1.3;
  const left = Math.max(0, Math.min(x1, context.canvas.width - wide));
  const top = Math.max(0, y1 - high);
  context.fillStyle = colour;
  context.fillRect(left, top, wide, high);
  context.fillStyle = isDark(colour) ? "#ffffff" : "#000000";
  context.textBaseline = "middle";
  context.fillText(text, left + pen.text / 4, top + high / 2);
}

/** Whether white text is easier to read on `colour` than black text: relative luminance, WCAG 2.1. */
function isDark(colour) {
  const [r, g, b] = [1, 3, 5].map((start) => {
    const value = parseInt(colour.slice(start, start + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.179;
}
