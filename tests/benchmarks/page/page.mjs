// A page in which one peer runs: ?runtime=javascript, pyodide or pyscript, ?peer=<module in peers/>,
// ?wheel=<the package's, where Pyodide runs without PyScript>.
import "./watch.mjs";

const query = new URLSearchParams(location.search);
const peer = query.get("peer");

async function javascript() {
  const module = await import(`../peers/${peer}.mjs`);
  return { call: (work, options) => module[work](options), allocated: () => null, held: () => null };
}

async function pyodide({ pyodide }) {
  const folder = `/vendor/pyodide@${pyodide}`;
  const { loadPyodide } = await import(`${folder}/pyodide.mjs`);
  const python = await loadPyodide({ indexURL: folder });
  const wheel = await (await fetch(`/wheel/${query.get("wheel")}`)).arrayBuffer();
  python.unpackArchive(wheel, "wheel");
  for (const name of [peer, "memory"]) {
    const source = await (await fetch(`../peers/${name}.py`)).arrayBuffer();
    python.FS.writeFile(`${name}.py`, new Uint8Array(source));
  }
  return fromPython(python.pyimport(peer), python.pyimport("memory"));
}

async function pyscript({ pyodide, "@pyscript/core": core }) {
  const script = document.createElement("script");
  script.type = "py";
  script.src = "pyscript_main.py";
  script.setAttribute("config", JSON.stringify({
    interpreter: `/vendor/pyodide@${pyodide}/pyodide.mjs`,
    files: { [`../peers/${peer}.py`]: "./peer.py", "../peers/memory.py": "./memory.py" },
  }));
  const ready = new Promise((resolve) => { globalThis.onPeer = resolve; });
  document.body.append(script);
  await import(`/vendor/pyscript@${core}/core.js`);
  await ready;
  return fromPython(globalThis.peer, globalThis.memory);
}

function fromPython(module, memory) {
  const call = async (work, options) => {
    const run = module[work];
    try {
      const result = await run.callKwargs(options);
      return result?.toJs?.() ?? result;
    } finally {
      run.destroy(); // or it would count as held
    }
  };
  return { call, allocated: () => memory.allocated(), held: () => memory.held() };
}

async function boot() {
  const { dependencies } = await (await fetch("/package.json")).json();
  const { call, allocated, held } = await { javascript, pyodide, pyscript }[query.get("runtime")](dependencies);
  globalThis.allocated = allocated;
  globalThis.held = held;
  globalThis.work = async (name, options) => {
    // What a DevTools command runs by itself counts as neither script nor task of the page.
    await new Promise((resolve) => { setTimeout(resolve); });
    return call(name, options);
  };
}

function within(seconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

globalThis.booted = boot();
globalThis.call = (seconds, name, options) => within(seconds, work(name, options));
globalThis.ready = (seconds) => within(seconds, booted);
