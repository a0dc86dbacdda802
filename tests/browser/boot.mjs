// Pyodide with the package from its wheel, and the tests' own modules under their own names.
export async function boot() {
  const { dependencies } = await (await fetch("/package.json")).json();
  const folder = `/vendor/pyodide@${dependencies.pyodide}`;
  const { loadPyodide } = await import(`${folder}/pyodide.mjs`);
  const pyodide = await loadPyodide({ indexURL: folder });
  const wheel = await (await fetch("/wheel/readystate.whl")).arrayBuffer();
  pyodide.unpackArchive(wheel, "wheel");
  pyodide.FS.mkdirTree("tests/browser");
  for (const name of ["__init__.py", "browser/__init__.py", "browser/inpage.py", "browser/runner.py"]) {
    const source = await (await fetch(`/tests/${name}`)).arrayBuffer();
    pyodide.FS.writeFile(`tests/${name}`, new Uint8Array(source));
  }
  const runner = pyodide.pyimport("tests.browser.runner");
  return { pyodide, call: (...values) => runner.call(...values) };
}
