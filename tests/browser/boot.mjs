// Pyodide with the package from its wheel, and the tests' own modules under their own names: in a
// page or a worker of the tests' server, or with its address and a folder of runtimes anywhere.
export async function boot({ server = "", vendor = "/vendor", modules = [] } = {}) {
  const { dependencies } = await (await fetch(`${server}/package.json`)).json();
  const folder = `${vendor}/pyodide@${dependencies.pyodide}`;
  const { loadPyodide } = await import(`${folder}/pyodide.mjs`);
  const pyodide = await loadPyodide({ indexURL: folder });
  const wheel = await (await fetch(`${server}/wheel/readystate.whl`)).arrayBuffer();
  pyodide.unpackArchive(wheel, "wheel");
  const own = ["__init__.py", "browser/__init__.py", "browser/inpage.py", "browser/runner.py"];
  for (const name of [...own, ...modules]) {
    const source = await (await fetch(`${server}/tests/${name}`)).arrayBuffer();
    pyodide.FS.mkdirTree(`tests/${name}`.slice(0, -name.length + name.lastIndexOf("/") + 1));
    pyodide.FS.writeFile(`tests/${name}`, new Uint8Array(source));
  }
  const runner = pyodide.pyimport("tests.browser.runner");
  return { pyodide, call: (...values) => runner.call(...values) };
}
