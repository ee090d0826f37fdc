/** What the archive tests have in common: temporary folders, tars of any shape, running programs. */
import assert from "node:assert/strict";
import type { ArchivedImage } from "../../src/archive/archived_image.ts";
import { type BlobReader, readAll } from "../../src/bytes/blob_reader.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { blobsOf } from "../../src/oci/manifest.ts";
import { concat } from "../support/concat.ts";

/** Permissions of tests that write files. */
export const FILES: Deno.PermissionOptions = { read: "inherit", write: "inherit", env: "inherit" };

/** A temporary folder that is removed when its scope is left. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "s3lo-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A file of a tar that is made by hand. */
export interface RawEntry {
  readonly name: string;
  readonly content?: Uint8Array | string;
  readonly type?: string;
  readonly linkName?: string;
  /** What the header says, where that is not the truth. */
  readonly sizeBytes?: number;
  /** Raw bytes of the size field. */
  readonly sizeField?: Uint8Array;
  readonly magic?: string;
}

const encoder = new TextEncoder();

/** One header and its data. */
export function rawEntry(entry: RawEntry): Uint8Array<ArrayBuffer> {
  const content = typeof entry.content === "string"
    ? encoder.encode(entry.content)
    : entry.content ?? new Uint8Array(0);
  const padded = Math.ceil(content.byteLength / 512) * 512;
  const bytes = new Uint8Array(512 + padded);
  const put = (text: string, at: number) => bytes.set(encoder.encode(text), at);
  put(entry.name, 0);
  put("0000644\0", 100);
  put("0000000\0", 108);
  put("0000000\0", 116);
  put((entry.sizeBytes ?? content.byteLength).toString(8).padStart(11, "0") + "\0", 124);
  if (entry.sizeField) bytes.set(entry.sizeField, 124);
  put("00000000000\0", 136);
  put("        ", 148);
  put(entry.type ?? "0", 156);
  put(entry.linkName ?? "", 157);
  put(entry.magic ?? "ustar\x0000", 257);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  put(sum.toString(8).padStart(6, "0") + "\0 ", 148);
  bytes.set(content, 512);
  return bytes;
}

/** A whole tar of entries made by hand. */
export function rawTar(entries: readonly (RawEntry | Uint8Array)[], trailerBytes = 1024): Uint8Array<ArrayBuffer> {
  const parts = entries.map((entry) => entry instanceof Uint8Array ? entry : rawEntry(entry));
  return concat([...parts, new Uint8Array(trailerBytes)]);
}

/** All bytes of a reader, which is closed. */
export async function contentOf(opened: BlobReader | Promise<BlobReader>): Promise<Uint8Array<ArrayBuffer>> {
  await using reader = await opened;
  return await readAll(reader, 1 << 28, "test content");
}

/** Reads an image to the last byte and checks every digest; returns how many blobs it has. */
export async function checkWhole(image: ArchivedImage, manifest = image.root): Promise<number> {
  let count = 0;
  if (manifest.content.kind === "index") {
    for (const child of manifest.content.manifests) count += await checkWhole(image, await image.manifest(child));
    return count;
  }
  for (const blob of blobsOf(manifest.content).blobs) {
    const bytes = await contentOf(image.openBlob(blob));
    assert.equal(digestOf(bytes), blob.digest);
    assert.equal(bytes.byteLength, blob.size);
    const part = await contentOf(image.openBlob(blob, { start: 3, length: 5 }));
    assert.deepEqual(part, bytes.slice(3, 8));
    count++;
  }
  return count;
}

/** Runs a program to its end; fails with its error output when it fails. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
