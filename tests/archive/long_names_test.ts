/** An archive of many files is listed whole before it is used: their names must not take all memory, however long they are. */
import assert from "node:assert/strict";
import { RandomFile, type SeekableFile } from "../../src/archive/random_file.ts";
import { indexTar } from "../../src/archive/tar_index.ts";
import { isImageError } from "../../src/errors.ts";
import { MAX_LISTED_NAME_CHARS } from "../../src/oci/limits.ts";
import { concat } from "../support/concat.ts";
import { rawEntry } from "./support.ts";

const NAME_CHARS = 4000;

/** One file with a long name, as GNU tar writes it: the name's first characters tell the files apart. */
const TEMPLATE = concat([
  rawEntry({ name: "././@LongLink", type: "L", content: "x".repeat(NAME_CHARS) }),
  rawEntry({ name: "short" }),
]);

/** A tar of `count` such files that is made while it is read; counts what is read of it. */
class ManyNames implements SeekableFile {
  readBytes = 0;
  readonly sizeBytes: number;
  #position = 0;

  constructor(count: number) {
    this.sizeBytes = count * TEMPLATE.byteLength + 1024;
  }

  seek(position: number): Promise<number> {
    return Promise.resolve(this.#position = position);
  }

  read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.byteLength && this.#position < this.sizeBytes - 1024) {
      const entry = Math.floor(this.#position / TEMPLATE.byteLength);
      const bytes = TEMPLATE.slice();
      bytes.set(new TextEncoder().encode(String(entry).padStart(8, "0")), 512);
      const piece = bytes.subarray(this.#position % TEMPLATE.byteLength).subarray(0, into.byteLength - filled);
      into.set(piece, filled);
      filled += piece.byteLength;
      this.#position += piece.byteLength;
    }
    if (filled === 0 && this.#position < this.sizeBytes) {
      filled = Math.min(into.byteLength, this.sizeBytes - this.#position);
      into.fill(0, 0, filled);
      this.#position += filled;
    }
    this.readBytes += filled;
    return Promise.resolve(filled);
  }

  close(): void {}
}

function opened(count: number): { readonly many: ManyNames; readonly file: RandomFile } {
  const many = new ManyNames(count);
  return { many, file: new RandomFile(many, { name: "names.tar", sizeBytes: many.sizeBytes }) };
}

Deno.test({
  name: "indexTar() takes long names, and stops where all of them together are too long",
  permissions: "none",
  async fn() {
    assert.equal((await indexTar(opened(1000).file)).size, 1000);
    const { many, file } = opened(700_000);
    await assert.rejects(indexTar(file), (error: unknown) => {
      assert.ok(isImageError(error, "invalid-input"), String(error));
      assert.match(error.message, /^Cannot read archive "names.tar": it has more than \d+ characters of names$/);
      return true;
    });
    assert.ok(many.readBytes < 4 * MAX_LISTED_NAME_CHARS, `${many.readBytes} bytes read`);
  },
});
