// Runs what the tests ask for in Node.js: node.mjs <server> <folder of Pyodide> <wheels as JSON>.
// A call is a line of JSON on standard input, its answer a line on standard output.
import process from "node:process";
import { createInterface } from "node:readline";
import { boot } from "../../server/readystate_server/lab/runtime/boot.mjs";
import { caller } from "../../server/readystate_server/lab/runtime/caller.mjs";
import { install } from "./wheels.mjs";

const [server, folder, wheels] = process.argv.slice(2);
const pyodide = await boot({ server, pyodide: folder });
const call = caller(pyodide);
await install(pyodide, server, JSON.parse(wheels));
const answer = (value) => process.stdout.write(`answer: ${JSON.stringify(value)}\n`);
answer("ready");
for await (const line of createInterface({ input: process.stdin })) {
  answer(await call(...JSON.parse(line)));
}
process.exit(0);
