// npm's partysocket: a WebSocket that reconnects, and queues what is sent meanwhile.
import { event, sleep, texts } from "./javascript.mjs";

const { devDependencies } = await (await fetch("/package.json")).json();
const { default: PartySocket } = await import(`/vendor/partysocket@${devDependencies.partysocket}/ws.js`);

let flushing;

export async function backlog({ url, count, size }) {
  const messages = texts(count, size);
  const ws = new PartySocket(url);
  for (const message of messages) ws.send(message);
  flushing = event(ws, "message").then(({ data }) => {
    ws.close();
    return JSON.parse(data).messages;
  });
}

export const flushed = () => flushing;

// Sends while connections are lost. It tells of no message that it is lost.
export async function lose({ url, count, rate, pause }) {
  const ws = new PartySocket(url, [], { minReconnectionDelay: pause, maxReconnectionDelay: pause });
  const messages = texts(count, 64);
  const begin = performance.now();
  for (let sent = 0; sent < count;) {
    await sleep(1);
    const due = Math.min(count, Math.ceil((performance.now() - begin) * rate));
    while (sent < due) ws.send(messages[sent++]);
  }
  // Nobody says when it is over: nothing waits for a while, in which there were new connections.
  for (let quiet = 0; quiet < 500; quiet += 10) {
    await sleep(10);
    if (ws.bufferedAmount || ws.readyState !== ws.OPEN) quiet = 0;
  }
  ws.close();
  return [];
}
