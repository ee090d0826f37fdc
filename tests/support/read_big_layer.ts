/**
 * Reads a chunked layer of 1 GiB in a process of its own and prints, as JSON, how fast that was and how much memory it took
 * at most. Arguments: `stored` or `raw`, then the number of helper threads (0: the main thread alone).
 */
import process from "node:process";
import { chunkKey } from "../../src/bucket/chunk_keys.ts";
import { ChunkWorkers } from "../../src/bucket/chunk_workers.ts";
import { type ChunkDecoder, openChunkedLayer, openRawLayer } from "../../src/bucket/chunked_layer.ts";
import { release } from "../../src/bytes/release.ts";
import type { Recipe, RecipeChunk } from "../../src/bucket/recipe.ts";
import { digestOf, Hasher } from "../../src/oci/digest.ts";
import { zstdFrame } from "./chunked_layers.ts";
import { Random } from "./images.ts";
import { MemoryStore } from "./memory_store.ts";

const MIB = 1024 * 1024;

/** 1 GiB of eight different chunks of about 4 MiB over and over: what lies in memory for the store itself is 25 MiB. */
function bigLayer(): { store: MemoryStore; recipe: Recipe } {
  const store = new MemoryStore();
  const frames = new Map<string, Uint8Array>();
  const raws: Uint8Array<ArrayBuffer>[] = [];
  const kinds = Array.from({ length: 8 }, (_, index): RecipeChunk => {
    const raw = new Random(index + 1).bytes(4 * MIB + (index - 4) * 1000);
    const frame = zstdFrame(raw);
    const digest = digestOf(raw);
    store.set(chunkKey(digest), frame);
    frames.set(digest, frame);
    raws.push(raw);
    return { digest, rawSizeBytes: raw.byteLength, storedSizeBytes: frame.byteLength };
  });
  const [raw, stored] = [new Hasher("sha256"), new Hasher("sha256")];
  const chunks = Array.from({ length: 256 }, (_, index) => kinds[index % 8]!);
  for (const [index, chunk] of chunks.entries()) {
    raw.update(raws[index % 8]!);
    stored.update(frames.get(chunk.digest)!);
  }
  for (const each of raws) release(each);
  return {
    store,
    recipe: {
      digest: stored.digest(),
      diffId: raw.digest(),
      rawSizeBytes: chunks.reduce((sum, chunk) => sum + chunk.rawSizeBytes, 0),
      storedSizeBytes: chunks.reduce((sum, chunk) => sum + chunk.storedSizeBytes, 0),
      chunks,
    },
  };
}

/** Linux counts what the parent had at the fork into `maxRSS`; what /proc says starts anew with the program. */
async function peakMemory(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? process.resourceUsage().maxRSS;
  return Number(kilobytes) * 1024;
}

const [how = "stored", threads = "0"] = Deno.args;
await using workers = new ChunkWorkers(Number(threads));
const decode: ChunkDecoder | undefined = threads === "0" ? undefined : (...args) => workers.decode(...args);
const { store, recipe } = bigLayer();
const peakBeforeBytes = await peakMemory();
const started = performance.now();
const cpuBefore = process.cpuUsage();
await using reader = how === "raw"
  ? openRawLayer(store, recipe, { diffId: recipe.diffId, decode })
  : openChunkedLayer(store, recipe);
let sizeBytes = 0;
const hasher = new Hasher("sha256");
for (
  let into = new Uint8Array(MIB), piece;
  (piece = await reader.read(into)).byteLength > 0;
  into = new Uint8Array(piece.buffer)
) {
  sizeBytes += piece.byteLength;
  if (how === "stored") hasher.update(piece);
}
const seconds = (performance.now() - started) / 1000;
const cpu = process.cpuUsage(cpuBefore);
const peakBytes = await peakMemory();
const isRight = how === "raw" ? sizeBytes === recipe.rawSizeBytes : hasher.digest() === recipe.digest;
// deno-lint-ignore no-console
console.log(
  JSON.stringify({
    isRight,
    peakBeforeBytes,
    sizeBytes,
    seconds,
    peakBytes,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    megabytesPerSecond: sizeBytes / 1e6 / seconds,
  }),
);
