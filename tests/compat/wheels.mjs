// Installs the wheels in Pyodide, and readystate.compat.
export async function install(pyodide, server, names) {
  await Promise.all(names.map(async (name) => {
    const wheel = await (await fetch(`${server}/tests/compat/wheels/${name}`)).arrayBuffer();
    pyodide.unpackArchive(wheel, "wheel");
  }));
  pyodide.runPython("import readystate.compat; readystate.compat.install()");
}
