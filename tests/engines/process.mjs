// Runs the cases in Node, Bun or Deno, and prints what became of each, a line each:
// process.mjs <server> <folder of Pyodide> <request as JSON>
import process from "node:process";
import { boot } from "../../server/readystate_server/lab/runtime/boot.mjs";
import { run } from "./run.mjs";

const [server, pyodide, request] = process.argv.slice(2);
const tell = (result) => process.stdout.write(`${result}\n`);
await run({ server, ...JSON.parse(request), pyodide }, boot, tell);
// The sockets that are left would keep it running.
process.stdout.write("", () => process.exit(0));
