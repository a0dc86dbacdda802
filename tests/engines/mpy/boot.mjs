// MicroPython with the package from its archive, stand-ins for what it lacks of the standard
// library, and the cases: in a page or a worker. Calls `tell` with each result, as JSON.
import { unzip } from "./unzip.mjs";

async function get(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

function write(FS, path, data) {
  FS.mkdirTree(path.slice(0, path.lastIndexOf("/") + 1) || "/");
  FS.writeFile(path, data);
}

export async function run({ engine, failing, micropython, modules, standIns, testing }, tell) {
  const { loadMicroPython } = await import(`${micropython}/micropython.mjs`);
  const { FS, ...python } = await loadMicroPython({ heapsize: 2 ** 26 });
  const places = [
    ...standIns.map((name) => [name, `/tests/engines/mpy/stand_ins/${name}`]),
    ...testing.map((name) => [name, `/runtime/${name}`]),
    ...modules.map((name) => [name, `/${name}`]),
  ];
  for await (const [name, data] of unzip(await get("/wheel/readystate-mpy.zip"))) write(FS, name, data);
  for (const [name, url] of places) write(FS, name, await get(url));
  python.registerJsModule("_request", { engine, failing, server: location.origin, tell });
  await python.runPythonAsync(
    "import asyncio\n" +
      // The page's own code is no task: MicroPython can throw nothing into it, as timeouts would.
      "from readystate import connect\n" +
      "await (await connect('/ws/echo')).close()\n" +
      "import stand_ins, _request as _\n" +
      "from tests.engines.cases.running import run\n" +
      "await asyncio.create_task(run(_.engine, _.server, _.failing, _.tell))\n",
  );
}
