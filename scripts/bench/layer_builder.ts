/** Makes layers of real files, as large as asked for, and writes them into a folder under their digests. */
import { createGzip, type Gzip } from "node:zlib";
import { once } from "node:events";
import { tarHeaderBlocks, tarPadding } from "../../src/archive/tar_header.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { blobPath, type Digest, Hasher } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import type { RealFile } from "./real_files.ts";

/** Below this a layer is measured by its files, not by what the compressor has given out. */
const SMALL_BYTES = 1024 * 1024;

/** From this on no file is too large for a layer. */
const LARGE_BYTES = 100 * 1024 * 1024;

/** A layer that was written, with the digest of its tar. */
export interface BuiltLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** Takes real files one after the other, so that no two layers hold the same ones. */
export class LayerBuilder {
  readonly #store: string;
  readonly #openFiles: () => AsyncIterator<RealFile>;
  #files: AsyncIterator<RealFile>;
  #round = 0;

  /** `store`: the folder that gets `blobs/`; `openFiles` starts over when all files were taken. */
  constructor(store: string, openFiles: () => AsyncIterator<RealFile>) {
    this.#store = store;
    this.#openFiles = openFiles;
    this.#files = openFiles();
  }

  /** A layer of about `storedBytes`, compressed by gzip, or a plain tar with `isRaw`. */
  async build(storedBytes: number, { isRaw = false }: { readonly isRaw?: boolean } = {}): Promise<BuiltLayer> {
    await using output = await BlobOutput.create(this.#store, isRaw);
    const isSmall = storedBytes < SMALL_BYTES;
    // The compressor holds back what would tell the size of a small layer.
    const isEnough = () => output.storedBytes >= storedBytes || (isSmall && output.rawBytes >= storedBytes * 3);
    while (!isEnough()) {
      const file = await this.#nextFile();
      // One large file must not make a layer much larger than asked.
      if (storedBytes < LARGE_BYTES && file.sizeBytes > storedBytes * (isSmall ? 4 : 0.5)) continue;
      const prefix = this.#round === 0 ? "" : `again${this.#round}/`;
      const bytes = await Deno.readFile(file.path).catch(() => undefined);
      if (!bytes) continue;
      await output.write(tarHeaderBlocks(prefix + file.path.slice(1), bytes.byteLength));
      await output.write(bytes);
      await output.write(new Uint8Array(tarPadding(bytes.byteLength)));
    }
    return await output.finish();
  }

  /** Passes over files, so that payloads do not all begin alike. */
  async skip(count: number): Promise<void> {
    for (let index = 0; index < count; index++) await this.#nextFile();
  }

  async #nextFile(): Promise<RealFile> {
    let next = await this.#files.next();
    if (next.done) {
      this.#round++;
      this.#files = this.#openFiles();
      next = await this.#files.next();
      if (next.done) throw new Error("There are no files to make payloads of");
    }
    return next.value;
  }
}

/** A blob that is being written: hashed before and after compression, named when it is whole. */
class BlobOutput implements AsyncDisposable {
  rawBytes = 0;
  storedBytes = 0;
  readonly #store: string;
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #gzip: Gzip | undefined;
  readonly #raw = new Hasher("sha256");
  readonly #stored = new Hasher("sha256");
  readonly #drained: Promise<void>;

  private constructor(store: string, path: string, file: Deno.FsFile, isRaw: boolean) {
    this.#store = store;
    this.#path = path;
    this.#file = file;
    this.#gzip = isRaw ? undefined : createGzip({ level: 4, chunkSize: 256 * 1024 });
    this.#drained = this.#drain();
  }

  static async create(store: string, isRaw: boolean): Promise<BlobOutput> {
    await Deno.mkdir(`${store}/blobs/sha256`, { recursive: true });
    const path = `${store}/blobs/.${crypto.randomUUID()}`;
    return new BlobOutput(store, path, await Deno.open(path, { write: true, createNew: true }), isRaw);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#raw.update(bytes);
    this.rawBytes += bytes.byteLength;
    if (!this.#gzip) await this.#keep(bytes);
    else if (!this.#gzip.write(bytes)) await once(this.#gzip, "drain");
  }

  async finish(): Promise<BuiltLayer> {
    await this.write(new Uint8Array(1024));
    this.#gzip?.end();
    await this.#drained;
    const digest = this.#stored.digest();
    await Deno.rename(this.#path, `${this.#store}/${blobPath(digest)}`);
    const mediaType = this.#gzip ? MEDIA_TYPES.ociLayerGzip : MEDIA_TYPES.ociLayer;
    return { descriptor: { mediaType, digest, size: this.storedBytes }, diffId: this.#raw.digest() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    await Deno.remove(this.#path).catch(() => {});
  }

  async #drain(): Promise<void> {
    if (this.#gzip) { for await (const chunk of this.#gzip) await this.#keep(chunk as Uint8Array); }
  }

  async #keep(bytes: Uint8Array): Promise<void> {
    this.#stored.update(bytes);
    this.storedBytes += bytes.byteLength;
    for (let written = 0; written < bytes.byteLength;) written += await this.#file.write(bytes.subarray(written));
  }
}
