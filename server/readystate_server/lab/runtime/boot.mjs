// Pyodide with the package from its wheel, what tests need in a page, and their own modules under
// their own names: in a page or a worker of the server, or with its address and a folder of Pyodide
// anywhere.
const TESTING = ["__init__.py", "inpage.py", "runner.py"]
  .map((name) => `readystate_server/testing/${name}`);

async function get(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}

async function write(pyodide, name, url) {
  const data = await (await get(url)).arrayBuffer();
  const path = `${pyodide.FS.cwd()}/${name}`; // Before Pyodide 0.28, mkdirTree() wants it absolute.
  pyodide.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
  pyodide.FS.writeFile(path, new Uint8Array(data));
}

// Installs the wheel that is compiled for this Python, where there is one, or the one with sources.
async function install(pyodide, folder) {
  const wheels = await (await get(`${folder}/index.json`)).json();
  const tag = pyodide.runPython("__import__('sys').implementation.cache_tag").replace("cpython-", "cp");
  const wheel = await get(`${folder}/${wheels[tag] ?? wheels.py3}`);
  pyodide.unpackArchive(await wheel.arrayBuffer(), "wheel");
}

export async function boot({ server = "", pyodide: folder, modules = [] }) {
  const { loadPyodide } = await import(`${folder}/pyodide.mjs`);
  const pyodide = await loadPyodide({ indexURL: folder });
  await install(pyodide, `${server}/wheel`);
  for (const name of TESTING) await write(pyodide, name, `${server}/runtime/${name}`);
  for (const name of modules) await write(pyodide, name, `${server}/${name}`);
  return pyodide;
}
