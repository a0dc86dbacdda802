// When messages are handed to the browser, whoever does it.
const Native = globalThis.WebSocket;

// Notes when the first and the last of `count` messages had been sent, and when the socket opened.
globalThis.watchSends = (count) => {
  const sends = { opened: null, first: null, last: null };
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
      if (number === 1) sends.first = performance.now();
      if (number === count) sends.last = performance.now();
    }
  };
};

globalThis.unwatch = () => { globalThis.WebSocket = Native; };
