// The browser's WebSocket, from JavaScript.
const sleep = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
const event = (ws, type) => new Promise((resolve) => {
  ws.addEventListener(type, resolve, { once: true });
});

export async function receive({ url }) {
  let size = 0;
  const ws = new WebSocket(url);
  ws.binaryType = "arraybuffer";
  ws.onmessage = ({ data }) => { size += data.length ?? data.byteLength; };
  await event(ws, "close");
  return size;
}

export async function send({ url, kind, size, count, limit }) {
  const message = kind === "text" ? "x".repeat(size) : new Uint8Array(size);
  const ws = new WebSocket(url);
  await event(ws, "open");
  const acknowledged = event(ws, "message");
  for (let number = 0; number < count; number++) {
    while (ws.bufferedAmount > limit) await sleep(4);
    ws.send(message);
  }
  const { data } = await acknowledged;
  ws.close();
  return JSON.parse(data).messages;
}

export async function round_trips({ url, count, pause }) {
  const times = [];
  const ws = new WebSocket(url);
  await event(ws, "open");
  let begin;
  let done;
  ws.onmessage = () => {
    times.push(performance.now() - begin);
    done();
  };
  for (let number = 0; number < count; number++) {
    await sleep(pause);
    await new Promise((resolve) => {
      done = resolve;
      begin = performance.now();
      ws.send("ping");
    });
  }
  ws.close();
  return times;
}
