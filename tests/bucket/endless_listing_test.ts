/** A server may list names for ever: whoever needs all of them at once stops, and says where to look instead. */
import assert from "node:assert/strict";
import { ImageStore } from "../../src/bucket/image_store.ts";
import { listLegacyTags } from "../../src/bucket/legacy_list.ts";
import { readSignatures } from "../../src/bucket/signatures.ts";
import { isImageError } from "../../src/errors.ts";
import type { ListOptions, ObjectInfo } from "../../src/objects/object_store.ts";
import { MAX_LISTED_NAME_CHARS } from "../../src/oci/limits.ts";
import { MemoryStore } from "../support/memory_store.ts";

/** A store whose listing never ends. */
class EndlessStore extends MemoryStore {
  listedChars = 0;
  readonly #keysOf: (index: number, prefix: string) => readonly string[];

  constructor(keysOf: (index: number, prefix: string) => readonly string[]) {
    super("s3://endless");
    this.#keysOf = keysOf;
  }

  override async *list(prefix: string, _options: ListOptions = {}): AsyncGenerator<readonly ObjectInfo[]> {
    for (let page = 0;; page++) {
      const keys = Array.from({ length: 1000 }, (_, index) => this.#keysOf(1000 * page + index, prefix)).flat();
      this.listedChars += keys.reduce((sum, key) => sum + key.length, 0);
      yield await Promise.resolve(
        keys.map((key) => ({ key, sizeBytes: 1, modifiedAt: new Date(0), etag: `"${key.length}"` })),
      );
    }
  }
}

const LONG = "x".repeat(500);
const tag = (index: number) => `${LONG}${String(index).padStart(12, "0")}`;

const LISTINGS: Record<string, { keys: (index: number, prefix: string) => readonly string[]; run: Run }> = {
  "the tags of a bucket": {
    keys: (index) => [`manifests/${LONG}/${tag(index)}/manifest.json`],
    run: (store) => new ImageStore(store).list(""),
  },
  "the newest tags of an image": {
    keys: (index) => [`manifests/app/${tag(index)}/manifest.json`],
    run: (store) => new ImageStore(store).newestTags("app", 3),
  },
  "the tags of the first layout": {
    keys: (index) => [`app/${tag(index)}/blobs/sha256/x`, `app/${tag(index)}/manifest.json`],
    run: (store) => listLegacyTags(store, "app/"),
  },
  "the signature records of a tag": {
    keys: (index, prefix) => [`${prefix}${tag(index)}.json`],
    run: (store) => readSignatures(store, "app", "v1"),
  },
};

type Run = (store: EndlessStore) => Promise<unknown>;

for (const [name, { keys, run }] of Object.entries(LISTINGS)) {
  Deno.test({
    name: `a listing without an end is left: ${name}`,
    permissions: "none",
    async fn() {
      const store = new EndlessStore(keys);
      await assert.rejects(run(store), (error: unknown) => {
        assert.ok(isImageError(error, "invalid-input"), String(error));
        assert.match(error.message, /^Cannot .*: it has more than \d+ /);
        return true;
      });
      assert.ok(store.listedChars < 4 * MAX_LISTED_NAME_CHARS, `${store.listedChars} characters listed`);
    },
  });
}
