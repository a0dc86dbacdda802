// Runs the cases in this page, or in MicroPython with ?place=worker in a worker of it, and leaves
// what became of each in its body, a line each.
import { boot } from "/runtime/boot.mjs";
import * as micropython from "./mpy/boot.mjs";
import { run } from "./run.mjs";

const query = new URLSearchParams(location.search);
const request = { server: location.origin, ...JSON.parse(query.get("request")) };
const tell = (result) => document.body.append(`${result}\n`);
const end = (failure) => (document.body.dataset.end = failure);

if (query.get("place") === "worker") {
  const worker = new Worker("mpy/worker.mjs", { type: "module" });
  worker.onmessage = ({ data }) => ("result" in data ? tell(data.result) : end(data.failure));
  worker.onerror = (event) => end(event.message || "the worker has failed");
  worker.postMessage(request);
} else {
  const isMicroPython = request.engine.startsWith("mpy-");
  const running = isMicroPython ? micropython.run(request, tell) : run(request, boot, tell);
  running.then(() => end(""), (error) => end(String(error?.stack ?? error)));
}
