// Runs a module of Python's library in Pyodide, on the files of the current folder, as python -m does:
// compiler.mjs <folder of Pyodide> <module> <arguments>
import process from "node:process";
import { pathToFileURL } from "node:url";

const [pyodide, module, ...options] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
const python = await loadPyodide();
const folder = "/compiler";
python.FS.mkdir(folder);
python.FS.mount(python.FS.filesystems.NODEFS, { root: process.cwd() }, folder);
python.FS.chdir(folder);
python.runPython("import runpy, sys; sys.argv[1:] = options; runpy.run_module(module, run_name='__main__')", {
  globals: python.toPy({ module, options }),
});
