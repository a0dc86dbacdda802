// The browser's WebSocket, from JavaScript.
export const sleep = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
export const event = (ws, type) => new Promise((resolve) => {
  ws.addEventListener(type, resolve, { once: true });
});

// What is done with the data of a message; each returns its size.
const handlers = {
  measure: (data) => data.length ?? data.byteLength,
  read(data) {
    let sum = 0;
    if (typeof data === "string") {
      for (let i = 0; i < data.length; i++) sum = (sum + data.charCodeAt(i)) | 0;
    } else {
      for (const byte of new Uint8Array(data)) sum = (sum + byte) | 0;
    }
    globalThis.sum = sum; // so that none of it can be left out
    return data.length ?? data.byteLength;
  },
  copy(data) {
    if (typeof data === "string") return encoder.encodeInto(data, memory).written;
    memory.set(new Uint8Array(data));
    return data.byteLength;
  },
};
const encoder = new TextEncoder();
const memory = new Uint8Array(2 ** 20);

export async function receive({ url, does = "measure" }) {
  let size = 0;
  const handler = handlers[does];
  const ws = new WebSocket(url);
  ws.binaryType = "arraybuffer";
  ws.onmessage = ({ data }) => { size += handler(data); };
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

export async function echoes({ url, size, count }) {
  const times = [];
  const message = new Uint8Array(size);
  const ws = new WebSocket(url);
  ws.binaryType = "arraybuffer";
  await event(ws, "open");
  let done;
  ws.onmessage = () => done();
  for (let number = 0; number < count; number++) {
    const begin = performance.now();
    await new Promise((resolve) => {
      done = resolve;
      ws.send(message);
    });
    times.push(performance.now() - begin);
  }
  ws.close();
  return times;
}

let flushing;

export async function backlog({ url, count, size }) {
  const messages = texts(count, size);
  const ws = new WebSocket(url);
  ws.onopen = () => {
    for (let number = 0; number < count; number++) ws.send(messages[number]);
  };
  flushing = event(ws, "message").then(({ data }) => {
    ws.close();
    return JSON.parse(data).messages;
  });
}

export const flushed = () => flushing;

export function texts(count, size) {
  const padded = Array.from({ length: count }, (_, number) => String(number).padEnd(size));
  return JSON.parse(JSON.stringify(padded)); // what is put together is not one string in memory yet
}
