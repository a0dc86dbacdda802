// Runs main.py in PyScript's MicroPython: ?interpreter, by ?core.
const query = new URLSearchParams(location.search);
const script = document.createElement("script");
script.type = "mpy";
script.src = "main.py";
const files = { "/wheel/readystate-mpy.zip": "./*" };
script.setAttribute("config", JSON.stringify({ interpreter: query.get("interpreter"), files }));
document.body.append(script);
await import(query.get("core"));
