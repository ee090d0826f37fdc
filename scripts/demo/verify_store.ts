/** Checks a local store by reading its files: nothing of the program under test is trusted here. */
import { createHash } from "node:crypto";

/** What was found to be right. */
export interface Verified {
  /** The digest of the tag's manifest or index. */
  readonly root: string;
  /** How many blobs the root reaches, itself left out. */
  readonly reached: number;
  readonly sizeBytes: number;
}

/**
 * Reads an image and everything it reaches, child manifests of every platform too, and compares size and digest of
 * each blob with what its parent says. Throws an `Error` at the first difference.
 */
export async function verifyStore(folder: string, name: string, tag: string): Promise<Verified> {
  const bytes = await Deno.readFile(`${folder}/manifests/${name}/${tag}/manifest.json`);
  const seen = new Map<string, number>();
  await verifyChildren(folder, bytes, seen);
  return {
    root: sha256(bytes),
    reached: seen.size,
    sizeBytes: [...seen.values()].reduce((sum, size) => sum + size, 0),
  };
}

interface Entry {
  readonly digest: string;
  readonly size: number;
}

async function verifyChildren(folder: string, bytes: Uint8Array, seen: Map<string, number>): Promise<void> {
  const { manifests = [], layers = [], config } = JSON.parse(new TextDecoder().decode(bytes)) as {
    manifests?: Entry[];
    layers?: Entry[];
    config?: Entry;
  };
  for (const entry of [...layers, ...(config ? [config] : [])]) await verifyBlob(folder, entry, seen);
  for (const entry of manifests) await verifyChildren(folder, await verifyBlob(folder, entry, seen), seen);
}

async function verifyBlob(folder: string, entry: Entry, seen: Map<string, number>): Promise<Uint8Array> {
  const bytes = await Deno.readFile(`${folder}/blobs/${entry.digest.replace(":", "/")}`);
  if (bytes.length !== entry.size) throw new Error(`Blob ${entry.digest} has ${bytes.length} bytes, not ${entry.size}`);
  if (sha256(bytes) !== entry.digest) throw new Error(`Blob ${entry.digest} has the digest ${sha256(bytes)}`);
  seen.set(entry.digest, entry.size);
  return bytes;
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
