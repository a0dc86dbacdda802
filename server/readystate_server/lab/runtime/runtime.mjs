// Boots Pyodide in this page, or with ?place=worker in a worker of its own, and gives the tests one
// function: callPython(function, arguments), see readystate_server/testing/runner.py.
import { boot } from "./boot.mjs";
import { caller } from "./caller.mjs";

async function inPage(options) {
  globalThis.pyodide = await boot(options);
  return caller(globalThis.pyodide);
}

async function inWorker(options) {
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
  await ask("boot", options);
  return (...values) => ask("call", ...values);
}

const query = new URLSearchParams(location.search);
const place = query.get("place");
const options = { pyodide: query.get("pyodide") };
try {
  globalThis.callPython = await (place === "worker" ? inWorker : inPage)(options);
  document.body.dataset.ready = place;
} catch (error) {
  document.body.dataset.failed = String(error?.stack ?? error);
}
