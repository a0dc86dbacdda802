// Runs the cases in this worker.
import { run } from "./boot.mjs";

onmessage = async ({ data }) => {
  let failure = "";
  try {
    await run(data, (result) => postMessage({ result }));
  } catch (error) {
    failure = String(error?.stack ?? error);
  }
  postMessage({ failure });
};
