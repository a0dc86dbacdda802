// Installs readystate into Pyodide by micropip from an index of the distributions in a folder:
// node .ci/micropip.mjs dist. Fails if that takes another wheel than the one for Pyodide.
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const [folder] = process.argv.slice(2);
const vendor = join(import.meta.dirname, "../web/vendor");
const pyodide = readdirSync(vendor).find((name) => name.startsWith("pyodide@"));
const { loadPyodide } = await import(join(vendor, pyodide, "pyodide.mjs"));

const server = createServer((request, response) => {
  const file = decodeURIComponent(request.url.slice(1));
  const files = readdirSync(folder).filter((name) => name.endsWith(".whl"));
  if (files.includes(file)) return response.end(readFileSync(join(folder, file)));
  response.setHeader("Content-Type", "text/html");
  response.end(files.map((name) => `<a href="/${name}">${name}</a>`).join("\n"));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const python = await loadPyodide();
await python.loadPackage("micropip", { messageCallback() {} });
python.globals.set("index", `http://127.0.0.1:${server.address().port}/{package_name}/`);
console.log(
  await python.runPythonAsync(`
import importlib.metadata
import micropip

await micropip.install("readystate", index_urls=[index])
from readystate import connect, sync

about = importlib.metadata.distribution("readystate")
assert "Tag: cp314-none-pyemscripten_2026_0_wasm32" in about.read_text("WHEEL"), about.read_text("WHEEL")
assert about.metadata["License-Expression"] == "MIT" and "## " in about.metadata.get_payload()
f"micropip installs readystate {about.version} compiled: {connect}"
`),
);
server.close();
