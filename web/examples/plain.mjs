// Starts Pyodide, with the package from its wheel, and runs plain.py.
const get = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
};

try {
  const { dependencies } = await (await get("../package.json")).json();
  const { loadPyodide } = await import(`../vendor/pyodide@${dependencies.pyodide}/pyodide.mjs`);
  const python = await loadPyodide();
  python.unpackArchive(await (await get("../wheel/readystate.whl")).arrayBuffer(), "wheel");
  await python.runPythonAsync(await (await get("plain.py")).text());
} catch (error) {
  document.querySelector("#status").textContent = `Python has stopped: ${error.message}`;
  throw error;
}
