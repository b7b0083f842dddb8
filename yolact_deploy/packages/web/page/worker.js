// Runs the model beside the page, so that the page stays responsive. Nothing leaves this machine.

import * as ort from "./runtime/ort.wasm.min.mjs";
import { bgrOf, detectionsOf } from "./detections.js";

const MAX_THREADS = 4;

ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
// Threads need shared memory, which a browser gives only to a page whose server sends COOP and COEP.
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency) : 1;

const opened = open();
opened.then(({ model }) => self.postMessage({ kind: "ready", model }), report);

async function open() {
  const model = await (await fetched("./model.json")).json();
  const bytes = await (await fetched(`./${model.file}`)).arrayBuffer();
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  return { model, session };
}

async function fetched(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: the server says ${answer.status}`);
  return answer;
}

function report(error) {
  self.postMessage({ kind: "failed", message: error?.message ?? String(error) });
}

self.onmessage = async ({ data: { id, rgba, height, width } }) => {
  try {
    const { model, session } = await opened;
    const image = new ort.Tensor("uint8", bgrOf(rgba), [1, height, width, 3]);
    const start = performance.now();
    const tensors = await session.run({ [session.inputNames[0]]: image });
    const detections = detectionsOf(tensors, model, height, width);
    const milliseconds = performance.now() - start;
    const buffers = detections.map(({ mask }) => mask.bits.buffer);
    self.postMessage({ kind: "found", id, detections, milliseconds }, buffers);
  } catch (error) {
    report(error);
  }
};
