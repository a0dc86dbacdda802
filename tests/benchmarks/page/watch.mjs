// When messages are handed to the browser, and what goes over sockets, whoever does it.
const Native = globalThis.WebSocket;

// Notes when the last of `count` messages had been sent, and when the socket opened.
globalThis.watchSends = (count) => {
  const sends = { opened: null, last: null };
  let number = 0;
  globalThis.sends = sends;
  globalThis.WebSocket = class WebSocket extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener("open", ({ timeStamp }) => { sends.opened ??= timeStamp; });
    }

    send(data) {
      super.send(data);
      number += 1;
      if (number === count) sends.last = performance.now();
    }
  };
};

// Counts the bytes of the WebSocket frames of sockets that are made from now on, both ways together.
globalThis.watchFrames = () => {
  const frames = { messages: 0, acknowledgements: 0 };
  const encoder = new TextEncoder();
  const isAcknowledgement = (data) => typeof data === "string" && /^\x10\{"(ack|ask)"/.test(data);
  const count = (data, mask) => {
    const size = typeof data === "string" ? encoder.encode(data).length : data.byteLength;
    const head = size < 126 ? 2 : size < 2 ** 16 ? 4 : 10;
    frames[isAcknowledgement(data) ? "acknowledgements" : "messages"] += head + mask + size;
  };
  globalThis.frames = frames;
  globalThis.WebSocket = class WebSocket extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => count(data, 0));
    }

    send(data) {
      super.send(data);
      count(data, 4);
    }
  };
};

globalThis.unwatch = () => { globalThis.WebSocket = Native; };
