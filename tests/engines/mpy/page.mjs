// Runs the cases in this page, or with ?place=worker in a worker of it, and leaves what became of
// each in its body, a line each.
import { run } from "./boot.mjs";

const query = new URLSearchParams(location.search);
const request = JSON.parse(query.get("request"));
const tell = (result) => document.body.append(`${result}\n`);
const end = (failure) => (document.body.dataset.end = failure);

if (query.get("place") === "worker") {
  const worker = new Worker("worker.mjs", { type: "module" });
  worker.onmessage = ({ data }) => ("result" in data ? tell(data.result) : end(data.failure));
  worker.onerror = (event) => end(event.message || "the worker has failed");
  worker.postMessage(request);
} else {
  run(request, tell).then(() => end(""), (error) => end(String(error?.stack ?? error)));
}
