// Runs the cases in Node, Bun or Deno, and prints what became of each, a line each:
// process.mjs <server> <folder of runtimes> <request as JSON>
import process from "node:process";
import { run } from "./run.mjs";

const [server, vendor, request] = process.argv.slice(2);
const tell = (result) => process.stdout.write(`${result}\n`);
await run({ server, vendor, ...JSON.parse(request) }, tell);
// The sockets that are left would keep it running.
process.stdout.write("", () => process.exit(0));
