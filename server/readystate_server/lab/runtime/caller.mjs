// How tests call a Python function, in a page or a worker that is theirs alone.
export function caller(pyodide) {
  const runner = pyodide.pyimport("readystate_server.testing.runner");
  return (...values) => runner.call_alone(...values);
}
