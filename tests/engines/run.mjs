// Python with the package from its wheel, in any engine: calls `tell` with each result, as JSON.

export async function run({ engine, server, pyodide: folder, failing, modules }, boot, tell) {
  const pyodide = await boot({ server, pyodide: folder, modules });
  const running = pyodide.pyimport("tests.engines.cases.running");
  await running.run(engine, server, failing, tell);
}
