// Starts PyScript on a page of the project, and says in the page how far that is and what fails.
//
// The page has <script type="py"> elements as usual, or type="mpy" for MicroPython, which find the
// readystate package installed. A script's own config (JSON, or the URL of a .json file) is merged in;
// if it has the package, that one is used. Progress is shown in the page's #boot, if it has one: in its
// [role=status] and its <progress>.

const dialog = document.querySelector("#boot");
const status = dialog?.querySelector("[role=status]");
const bar = dialog?.querySelector("progress");
const here = (path) => new URL(path, import.meta.url).href;

// What the page says at each step; those with PyScript's names are its py:progress events.
const STEPS = new Map([
  ["runtimes", "Looking for the runtimes"],
  ["core", "Loading PyScript"],
  ["Loading Pyodide", "Loading Pyodide"],
  ["Loading MicroPython", "Loading MicroPython"],
  ["Loading interpreter", "Loading Python, about 12 MB the first time"],
  ["Loaded interpreter", "Python has started"],
  ["Loading files", "Loading the readystate package"],
  ["Loading packages", "Loading the packages"],
  ["Loaded Pyodide", "Starting the program"],
  ["Loaded MicroPython", "Starting the program"],
]);
const names = [...STEPS.keys()];
const PATIENCE = 20_000;
let ready = false;
let slow;
let source = location.host || "this folder";

function step(name) {
  if (ready || !STEPS.has(name)) return;
  tell(`${STEPS.get(name)} …`);
  clearTimeout(slow);
  // Pyodide does not tell when its WebAssembly cannot be had: it waits for ever.
  slow = setTimeout(tell, PATIENCE, `${STEPS.get(name)} takes long: is ${source} in reach?`);
  if (bar) [bar.max, bar.value] = [names.length, names.indexOf(name) + 1];
}

function tell(text) {
  if (status) status.textContent = text;
}

function finish() {
  ready = true;
  clearTimeout(slow);
  tell("Python is ready.");
  dialog?.classList.add("ready");
}

function element(name, text, children = []) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

// Tells of an error in words: what it means, what the browser or Python says, and what may help.
function report(what, error, help = "") {
  const text = String(error?.message ?? error).trim();
  const [last] = text.split("\n").slice(-1);
  const box = element("section", "", [element("h2", what), element("p", last)]);
  if (help) box.append(element("p", help));
  if (last !== text) {
    box.append(element("details", "", [element("summary", "Traceback"), element("pre", text)]));
  }
  box.className = "trouble";
  box.setAttribute("role", "alert");
  if (dialog) dialog.after(box); else document.body.prepend(box);
  clearTimeout(slow);
  tell(ready ? "Python has stopped." : "Python has not started.");
  dialog?.classList.add("ready");
}

function reportUncaught(error) {
  if (ready) {
    report("Something went wrong in this page", error);
  } else {
    report("Python could not be started", error, `Its runtimes come from ${source}. If that is in `
      + "reach, loading the page again may help; the project’s server (python -m readystate_server) brings "
      + "them along.");
  }
}

async function get(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${response.statusText}`);
  return response;
}

// A host may answer what is missing with a page of its own.
async function isScript(url) {
  const response = await fetch(url, { method: "HEAD" });
  return response.ok && /javascript/.test(response.headers.get("content-type"));
}

const MICROPYTHON = "@micropython/micropython-webassembly-pyscript";

// Where the runtimes are: in vendor/, else at the public CDN in the same versions.
async function runtimes() {
  const { dependencies } = await (await get(here("package.json"))).json();
  const { pyodide, "@pyscript/core": pyscript, [MICROPYTHON]: micropython } = dependencies;
  const vendored = {
    py: here(`vendor/pyodide@${pyodide}/pyodide.mjs`),
    mpy: here(`vendor/micropython@${micropython}/micropython.mjs`),
    core: here(`vendor/pyscript@${pyscript}/core.js`),
  };
  if ((await Promise.all(Object.values(vendored).map(isScript))).every(Boolean)) return vendored;
  source = "cdn.jsdelivr.net";
  return {
    py: `https://cdn.jsdelivr.net/pyodide/v${pyodide}/full/pyodide.mjs`,
    mpy: `https://cdn.jsdelivr.net/npm/${MICROPYTHON}@${micropython}/micropython.mjs`,
    core: `https://cdn.jsdelivr.net/npm/@pyscript/core@${pyscript}/dist/core.js`,
  };
}

// The config that a script names, with its files and wheels as absolute URLs.
async function ownConfig(script) {
  const text = script.getAttribute("config")?.trim() || "{}";
  const url = text.startsWith("{") ? document.baseURI : new URL(text, document.baseURI).href;
  const config = text.startsWith("{") ? JSON.parse(text) : await (await get(url)).json();
  const files = Object.entries(config.files ?? {}).map(
    // PyScript names a file after its URL unless told where it goes.
    ([from, to]) => [new URL(from, url).href, to || `./${from.split("/").pop()}`],
  );
  const own = { ...config, files: Object.fromEntries(files) };
  if (config.packages) {
    own.packages = config.packages.map(
      (name) => name.endsWith(".whl") ? new URL(name, url).href : name,
    );
  }
  return own;
}

// Whether the readystate package comes with it, by its name or as a wheel.
function hasPackage({ files, packages = [] }) {
  return [...Object.keys(files), ...packages].some((name) => /(^|\/)readystate\b[^/]*$/.test(name));
}

// The package: for MicroPython its own edition; else compiled for the interpreter's Python, if that
// wheel was made, or else its sources.
async function wheel(type, interpreter) {
  if (type === "mpy") return here("wheel/readystate-mpy.zip");
  try {
    const [wheels, { info }] = await Promise.all(
      // Pyodide loads its lock anyway; until it has, nothing else says which Python it has.
      [here("wheel/index.json"), new URL("pyodide-lock.json", interpreter)].map(
        async (url) => (await get(url)).json(),
      ),
    );
    const [major, minor] = info.python.split(".");
    return here(`wheel/${wheels[`cp${major}${minor}`] ?? wheels.py3}`);
  } catch {
    return here("wheel/readystate.whl");
  }
}

async function configure(script, pinned) {
  const own = await ownConfig(script);
  const interpreter = own.interpreter ?? pinned[script.type];
  const config = {
    ...own,
    interpreter,
    files: hasPackage(own) ? own.files : { [await wheel(script.type, interpreter)]: "./*", ...own.files },
    // Errors are reported here instead.
    plugins: [...(own.plugins ?? []), "!error"],
  };
  script.setAttribute("config", JSON.stringify(config));
}

async function boot() {
  step("runtimes");
  if (typeof WebAssembly !== "object") {
    throw new Error("This browser has no WebAssembly, which Python needs: please try a current one.");
  }
  const { core, ...interpreters } = await runtimes();
  const scripts = [...document.querySelectorAll('script[type="py"], script[type="mpy"]')];
  await Promise.all(scripts.map((script) => configure(script, interpreters)));
  step("core");
  const style = document.createElement("link");
  Object.assign(style, { rel: "stylesheet", crossOrigin: "anonymous", href: core.replace(/js$/, "css") });
  document.head.prepend(style);
  const { hooks } = await import(core);
  hooks.main.onReady.add((python) => {
    const { stderr } = python.io;
    python.io.stderr = (error, ...rest) => {
      // What Python prints to sys.stderr comes here too, as text.
      if (typeof error === "object") report("Python stopped with an exception", error);
      return stderr(error, ...rest);
    };
  });
}

document.querySelector(".stalled")?.remove();
for (const type of ["py", "mpy"]) {
  addEventListener(`${type}:progress`, ({ detail }) => step(detail));
  addEventListener(`${type}:ready`, finish, { once: true });
}
addEventListener("error", (event) => setTimeout(() => {
  // Unless the page has dealt with it.
  if (event.error && !event.defaultPrevented) reportUncaught(event.error);
}));
addEventListener("unhandledrejection", ({ reason }) => reportUncaught(reason));
boot().catch((error) => {
  console.error(error);
  reportUncaught(error);
});
