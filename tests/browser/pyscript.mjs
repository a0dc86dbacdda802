// ?worker=1: the script runs in a worker. ?how=packages or files: how the package is got, from ?wheel.
const query = new URLSearchParams(location.search);
const { dependencies } = await (await fetch("/package.json")).json();

const config = {
  interpreter: `/vendor/pyodide@${dependencies.pyodide}/pyodide.mjs`,
  ...(query.get("how") === "packages"
    ? { packages: [query.get("wheel")] }
    : { files: { [query.get("wheel")]: "./*" } }),
};
const script = document.createElement("script");
script.type = "py";
script.src = "pyscript_script.py";
script.setAttribute("config", JSON.stringify(config));
if (query.get("worker")) script.setAttribute("worker", "");
document.body.append(script);
await import(`/vendor/pyscript@${dependencies["@pyscript/core"]}/core.js`);
