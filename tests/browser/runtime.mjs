// Boots Pyodide in this page, or with ?place=worker in a worker of its own, and gives the tests one
// function: call(function, arguments), see runner.py.
import { boot } from "./boot.mjs";

async function inPage() {
  const python = await boot();
  globalThis.pyodide = python.pyodide;
  return python.call;
}

async function inWorker() {
  const worker = new Worker("worker.mjs", { type: "module" });
  const waiting = new Map();
  let ids = 0;
  const ask = (kind, ...values) => new Promise((resolve, reject) => {
    const id = ids++;
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, kind, values });
  });
  worker.onmessage = ({ data: { id, value, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value); else reject(new Error(error));
  };
  worker.onerror = (event) => console.error(`the worker failed: ${event.message}`);
  await ask("boot");
  return (...values) => ask("call", ...values);
}

const place = new URLSearchParams(location.search).get("place");
globalThis.callPython = await (place === "worker" ? inWorker() : inPage());
document.body.dataset.ready = place;
