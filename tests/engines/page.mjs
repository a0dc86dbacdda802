// Runs the cases in this page, and leaves what became of each in its body, a line each.
import { boot } from "/runtime/boot.mjs";
import { run } from "./run.mjs";

const request = new URLSearchParams(location.search).get("request");
const tell = (result) => document.body.append(`${result}\n`);
try {
  await run({ server: location.origin, ...JSON.parse(request) }, boot, tell);
  document.body.dataset.end = "";
} catch (error) {
  document.body.dataset.end = String(error?.stack ?? error);
}
