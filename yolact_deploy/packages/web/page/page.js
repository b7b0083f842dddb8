// The page: takes pictures from a file, a drop, the clipboard or the camera, and shows what the worker finds.

import { colourOf, draw } from "./drawing.js";

const MAX_SIDE = 1920; // px: larger pictures are scaled down, since all of it is kept in memory as float32

const element = (id) => document.getElementById(id);
const picture = document.createElement("canvas"); // as the model sees it
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const waiting = new Map(); // id of a picture -> what to do with its detections
const state = { model: null, detections: [], milliseconds: 0, note: "", camera: null, next: 0 };

/** For scripts and tests: what is shown, with the model's description. */
export function shown() {
  return { ...state, detections: visible() };
}

worker.onmessage = ({ data }) => {
  if (data.kind === "ready") return ready(data.model);
  if (data.kind === "failed") return fail(data.message);
  waiting.get(data.id)?.(data);
  waiting.delete(data.id);
};
worker.onerror = (event) => fail(event.message || "cannot start: open this page through a web server, not as a file");

function ready(model) {
  state.model = model;
  document.title = element("title").textContent = model.name;
  element("about").textContent = `${model.class_names.length} classes, ${model.precision}, ${model.file}`;
  element("threshold").value = model.shown_from;
  showThreshold();
  for (const id of ["file", "camera", "threshold"]) element(id).disabled = false;
  element("camera").hidden = !navigator.mediaDevices?.getUserMedia;
  say("Choose a picture, drop one here, paste one, or use the camera.");
}

function fail(message) {
  stopCamera();
  waiting.clear();
  say(message, true);
  document.body.dataset.state = "failed";
}

function say(text, isError = false) {
  element("status").textContent = text;
  element("status").classList.toggle("error", isError);
}

/** Take a picture into `picture`, at most MAX_SIDE px long. */
function take(source, width, height) {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  picture.width = Math.max(1, Math.round(width * scale));
  picture.height = Math.max(1, Math.round(height * scale));
  picture.getContext("2d", { willReadFrequently: true }).drawImage(source, 0, 0, picture.width, picture.height);
  state.note = scale < 1 ? `, scaled down from ${width}x${height}` : "";
}

/** Let the worker look at `picture`; resolves when its detections are shown. */
function run() {
  const { width, height } = picture;
  const { data } = picture.getContext("2d").getImageData(0, 0, width, height);
  const id = state.next++;
  document.body.dataset.state = "busy";
  return new Promise((resolve) => {
    waiting.set(id, ({ detections, milliseconds }) => {
      Object.assign(state, { detections, milliseconds });
      show();
      document.body.dataset.state = "done";
      resolve();
    });
    worker.postMessage({ id, rgba: data, height, width }, [data.buffer]);
  });
}

async function open(file) {
  stopCamera();
  if (!state.model || !file) return;
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    return fail(`${file.name || "this"} is not a picture that this browser can read`);
  }
  say("Looking ...");
  take(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  await run();
}

function visible() {
  const threshold = Number(element("threshold").value);
  const lowest = (detection) => Math.max(threshold, state.model.thresholds[detection.class] ?? 0);
  return state.detections.filter((detection) => detection.score >= lowest(detection));
}

function show() {
  const detections = visible();
  draw(element("canvas"), picture, detections, state.model);
  element("canvas").hidden = false;
  element("canvas").setAttribute("aria-label", `Picture with ${detections.length} detections`);
  element("rows").replaceChildren(...detections.map(row));
  element("table").hidden = detections.length === 0;
  const count = detections.length === 1 ? "1 detection" : `${detections.length} detections`;
  say(`${count} in ${state.milliseconds.toFixed(0)} ms, ${picture.width}x${picture.height} px${state.note}`);
}

function row(detection) {
  const cells = [state.model.class_names[detection.class], detection.score.toFixed(3), detection.box.join(", ")];
  const line = document.createElement("tr");
  line.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  line.firstChild.style.setProperty("--colour", colourOf(state.model, detection));
  return line;
}

function showThreshold() {
  element("threshold-value").textContent = Number(element("threshold").value).toFixed(2);
}

async function startCamera() {
  const video = element("video");
  try {
    state.camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.srcObject = state.camera;
    await video.play();
  } catch (error) {
    return fail(`no camera: ${error.message}`);
  }
  element("camera").textContent = "Stop camera";
  while (state.camera) {
    take(video, video.videoWidth, video.videoHeight);
    await run();
    await new Promise(requestAnimationFrame);
  }
}

function stopCamera() {
  state.camera?.getTracks().forEach((track) => track.stop());
  state.camera = null;
  element("video").srcObject = null;
  element("camera").textContent = "Use camera";
}

element("file").onchange = async ({ target }) => {
  await open(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
};
element("camera").onclick = () => (state.camera ? stopCamera() : startCamera());
element("threshold").oninput = () => {
  showThreshold();
  if (state.detections.length) show();
};
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  open(event.dataTransfer.files[0]);
};
document.onpaste = (event) => open(event.clipboardData.files[0]);
