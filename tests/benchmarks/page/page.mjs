// A page in which one peer runs: ?runtime=javascript, pyodide or pyscript, ?peer=<module in peers/>.
const query = new URLSearchParams(location.search);
const peer = query.get("peer");
const { dependencies } = await (await fetch("/package.json")).json();
const pyodideFolder = `/vendor/pyodide@${dependencies.pyodide}`;

async function javascript() {
  const module = await import(`../peers/${peer}.mjs`);
  return { call: (work, options) => module[work](options), blocks: () => null };
}

async function pyodide() {
  const { loadPyodide } = await import(`${pyodideFolder}/pyodide.mjs`);
  const python = await loadPyodide({ indexURL: pyodideFolder });
  const wheel = await (await fetch("/wheel/readystate.whl")).arrayBuffer();
  python.unpackArchive(wheel, "wheel");
  for (const name of [peer, "memory"]) {
    const source = await (await fetch(`../peers/${name}.py`)).arrayBuffer();
    python.FS.writeFile(`${name}.py`, new Uint8Array(source));
  }
  return fromPython(python.pyimport(peer), python.pyimport("memory"));
}

async function pyscript() {
  const script = document.createElement("script");
  script.type = "py";
  script.src = "pyscript_main.py";
  script.setAttribute("config", JSON.stringify({
    interpreter: `${pyodideFolder}/pyodide.mjs`,
    files: { [`../peers/${peer}.py`]: "./peer.py", "../peers/memory.py": "./memory.py" },
  }));
  const ready = new Promise((resolve) => { globalThis.onPeer = resolve; });
  document.body.append(script);
  await import(`/vendor/pyscript@${dependencies["@pyscript/core"]}/core.js`);
  await ready;
  return fromPython(globalThis.peer, globalThis.memory);
}

function fromPython(module, memory) {
  const call = async (work, options) => {
    const result = await module[work].callKwargs(options);
    return result?.toJs?.() ?? result;
  };
  return { call, blocks: () => memory.blocks() };
}

const { call, blocks } = await { javascript, pyodide, pyscript }[query.get("runtime")]();

globalThis.blocks = blocks;
globalThis.call = async (work, options, seconds) => {
  // What a DevTools command runs by itself counts neither as script nor as a task of the page.
  await new Promise((resolve) => setTimeout(resolve));
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([call(work, options), late]);
  } finally {
    clearTimeout(timer);
  }
};
document.body.dataset.ready = "";
