// The worker's end of runtime.mjs.
import { boot } from "./boot.mjs";
import { caller } from "./caller.mjs";

let call;

self.onmessage = async ({ data: { id, kind, values } }) => {
  try {
    if (kind === "boot") {
      call = caller(await boot(...values));
      self.postMessage({ id });
    } else {
      self.postMessage({ id, value: await call(...values) });
    }
  } catch (error) {
    self.postMessage({ id, error: String(error?.stack ?? error) });
  }
};
