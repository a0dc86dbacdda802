// The files of a ZIP archive that the lab has built: names and contents.
export async function* unzip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A local header before each file, with its sizes, as Python's zipfile writes them.
  for (let at = 0; view.getUint32(at, true) === 0x04034b50; ) {
    const [method, size] = [view.getUint16(at + 8, true), view.getUint32(at + 18, true)];
    const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 30, at + 30 + view.getUint16(at + 26, true)));
    const data = bytes.subarray(start, start + size);
    at = start + size;
    if (method === 0) {
      yield [name, data];
      continue;
    }
    const inflated = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    yield [name, new Uint8Array(await new Response(inflated).arrayBuffer())];
  }
}
