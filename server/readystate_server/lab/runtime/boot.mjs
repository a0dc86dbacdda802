// Pyodide with the package from its wheel, what tests need in a page, and their own modules under
// their own names: in a page or a worker of the server, or with its address and a folder of Pyodide
// anywhere.
const TESTING = ["__init__.py", "inpage.py", "runner.py"]
  .map((name) => `readystate_server/testing/${name}`);

async function write(pyodide, name, url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  pyodide.FS.mkdirTree(name.slice(0, name.lastIndexOf("/") + 1));
  pyodide.FS.writeFile(name, new Uint8Array(await response.arrayBuffer()));
}

export async function boot({ server = "", pyodide: folder, modules = [] }) {
  const { loadPyodide } = await import(`${folder}/pyodide.mjs`);
  const pyodide = await loadPyodide({ indexURL: folder });
  const wheel = await (await fetch(`${server}/wheel/readystate.whl`)).arrayBuffer();
  pyodide.unpackArchive(wheel, "wheel");
  for (const name of TESTING) await write(pyodide, name, `${server}/runtime/${name}`);
  for (const name of modules) await write(pyodide, name, `${server}/${name}`);
  return pyodide;
}
