// Installs the wheels in Pyodide, and readystate.compat. Those in a folder are put where they are in
// the repository, for a test to import from.
export async function install(pyodide, server, names) {
  await Promise.all(names.map(async (name) => {
    const wheel = await (await fetch(`${server}/tests/compat/wheels/${name}`)).arrayBuffer();
    if (name.includes("/")) {
      // Before Pyodide 0.28, mkdirTree() wants it absolute.
      const path = `${pyodide.FS.cwd()}/tests/compat/wheels/${name}`;
      pyodide.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
      pyodide.FS.writeFile(path, new Uint8Array(wheel));
    } else {
      pyodide.unpackArchive(wheel, "wheel");
    }
  }));
  pyodide.runPython("import readystate.compat; readystate.compat.install()");
}
