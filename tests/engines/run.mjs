// Python with the package from its wheel, in any engine: calls `tell` with each result, as JSON.
import { boot } from "../browser/boot.mjs";

export async function run({ engine, server, vendor, failing, modules }, tell) {
  const { pyodide } = await boot({ server, vendor, modules });
  const running = pyodide.pyimport("tests.engines.cases.running");
  await running.run(engine, server, failing, tell);
}
