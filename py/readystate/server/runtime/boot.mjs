// Pyodide with the package from its wheel, and the tests' own modules under their own names: in a
// page or a worker of the server, or with its address and a folder of Pyodide anywhere.
export async function boot({ server = "", pyodide: folder, modules = [] }) {
  const { loadPyodide } = await import(`${folder}/pyodide.mjs`);
  const pyodide = await loadPyodide({ indexURL: folder });
  const wheel = await (await fetch(`${server}/wheel/readystate.whl`)).arrayBuffer();
  pyodide.unpackArchive(wheel, "wheel");
  for (const name of modules) {
    const source = await (await fetch(`${server}/${name}`)).arrayBuffer();
    pyodide.FS.mkdirTree(name.slice(0, name.lastIndexOf("/") + 1));
    pyodide.FS.writeFile(name, new Uint8Array(source));
  }
  return pyodide;
}
