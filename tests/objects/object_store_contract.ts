import assert from "node:assert/strict";
import { type BlobReader, bytesReader, fill, readAll } from "../../src/bytes/blob_reader.ts";
import { isImageError } from "../../src/errors.ts";
import type { ObjectContent, ObjectInfo, ObjectStore } from "../../src/objects/object_store.ts";
import { digestOf } from "../../src/oci/digest.ts";

/** Two stores of one kind, side by side, and what a test needs to look behind them. */
export interface StoreKit extends AsyncDisposable {
  readonly store: ObjectStore;
  readonly other: ObjectStore;
  /** Largest object that the store sends in one piece. */
  readonly partBytes: number;
  /** Whether an object that is copied onto itself gets a new time. */
  readonly refreshes: boolean;
  /** How many half-written things lie about: temporary files, pending uploads. */
  leftovers(): Promise<number>;
  /** Another store over the same objects, as a second process would have. */
  again(): Promise<ObjectStore & AsyncDisposable>;
}

/** One promise of the interface. */
interface ContractCase {
  readonly name: string;
  readonly body: (kit: StoreKit) => Promise<void>;
}

const encode = (text: string) => new TextEncoder().encode(text);

/** Bytes that differ everywhere, so that swapped parts are noticed. */
export function pattern(sizeBytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  let state = seed >>> 0;
  for (let index = 0; index < sizeBytes; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** Content in memory, whose digest is known. */
export function contentOf(bytes: Uint8Array<ArrayBuffer>): ObjectContent {
  return {
    sizeBytes: bytes.byteLength,
    digest: digestOf(bytes),
    open: () => Promise.resolve(bytesReader(bytes)),
  };
}

/** Reads an object whole. */
export async function readObject(
  store: ObjectStore,
  key: string,
  start?: number,
  length?: number,
): Promise<Uint8Array> {
  const range = start === undefined ? undefined : length === undefined ? { start } : { start, length };
  await using reader = await store.open(key, range);
  return await readAll(reader, 64 * 1024 * 1024, key);
}

async function listAll(store: ObjectStore, prefix: string, startAfter?: string): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const page of store.list(prefix, startAfter === undefined ? {} : { startAfter })) found.push(...page);
  return found;
}

async function keysOf(store: ObjectStore, prefix: string, startAfter?: string): Promise<string[]> {
  return (await listAll(store, prefix, startAfter)).map((info) => info.key);
}

/** A reader that hands out good bytes and fails before the last ones, as a verifying reader does. */
function breaking(bytes: Uint8Array<ArrayBuffer>, after: number): BlobReader {
  const inner = bytesReader(bytes.subarray(0, after));
  return {
    async read(into) {
      const read = await inner.read(into);
      if (read.byteLength === 0) throw new Error("the source broke");
      return read;
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

/** What every object store promises. */
export const CONTRACT: readonly ContractCase[] = [
  {
    name: "write() and read() keep bytes, and say what is missing",
    async body({ store }) {
      assert.equal(await store.read("manifests/app/v1/manifest.json", 100), undefined);
      assert.equal(await store.head("manifests/app/v1/manifest.json"), undefined);
      await assert.rejects(store.open("blobs/x"), (error) => isImageError(error, "not-found"));
      await store.write("manifests/app/v1/manifest.json", encode('{"a":1}'));
      const found = await store.read("manifests/app/v1/manifest.json", 100);
      assert.equal(new TextDecoder().decode(found?.bytes), '{"a":1}');
      const head = await store.head("manifests/app/v1/manifest.json");
      assert.equal(head?.sizeBytes, 7);
      assert.equal(head?.etag, found?.etag);
      assert.ok(Math.abs((head?.modifiedAt.getTime() ?? 0) - Date.now()) < 60_000);
      await store.write("manifests/app/v1/manifest.json", encode("other"));
      assert.equal((await store.read("manifests/app/v1/manifest.json", 100))?.bytes.byteLength, 5);
      assert.notEqual((await store.head("manifests/app/v1/manifest.json"))?.etag, head?.etag);
      await assert.rejects(
        store.read("manifests/app/v1/manifest.json", 4),
        (error) => isImageError(error, "invalid-input"),
      );
    },
  },
  {
    name: "keys with signs, spaces and letters of all kinds are kept",
    async body({ store }) {
      const keys = ["a b/c+d", "manifests/app/sha256:0123/manifest.json", "ä/ö~!'()*", "x/@=&,;$"];
      for (const key of keys) await store.write(key, encode(key));
      for (const key of keys) assert.equal(new TextDecoder().decode((await store.read(key, 99))?.bytes), key);
      assert.deepEqual((await keysOf(store, "")).sort(), [...keys].sort());
      await store.remove(keys);
      assert.deepEqual(await keysOf(store, ""), []);
    },
  },
  {
    name: "keys that could leave the store are refused",
    async body({ store }) {
      for (const key of ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a/.", "a\\b", "a\0b", "x".repeat(1025)]) {
        for (
          const step of [
            () => store.head(key),
            () => store.read(key, 1),
            () => store.open(key),
            () => store.write(key, encode("x")),
            () => store.writeStream(key, contentOf(encode("x"))),
            () => store.remove([key]),
            () => store.copyFrom(store, "a", key, 1),
          ]
        ) await assert.rejects(step, (error) => isImageError(error, "invalid-input"), JSON.stringify(key));
      }
    },
  },
  {
    name: "open() gives ranges, and says when one starts behind the end",
    async body({ store }) {
      const bytes = pattern(1000);
      await store.write("blobs/r", bytes);
      assert.deepEqual(await readObject(store, "blobs/r"), bytes);
      assert.deepEqual(await readObject(store, "blobs/r", 0, 10), bytes.subarray(0, 10));
      assert.deepEqual(await readObject(store, "blobs/r", 990), bytes.subarray(990));
      assert.deepEqual(await readObject(store, "blobs/r", 500, 100), bytes.subarray(500, 600));
      assert.deepEqual(await readObject(store, "blobs/r", 990, 100), bytes.subarray(990));
      assert.equal((await readObject(store, "blobs/r", 5, 0)).byteLength, 0);
      await assert.rejects(store.open("blobs/r", { start: 1000 }), (error) => isImageError(error, "invalid-input"));
      await assert.rejects(store.open("blobs/none", { start: 1 }), (error) => isImageError(error, "not-found"));
    },
  },
  {
    name: "a reader that is closed early lets its object go",
    async body({ store }) {
      await store.write("blobs/r", pattern(3_000_000));
      await using reader = await store.open("blobs/r");
      assert.ok((await reader.read(new Uint8Array(10))).byteLength > 0);
    },
  },
  {
    name: "writeStream() writes 0 B, 1 B, one part, one part + 1 and three parts + 1",
    async body({ store, partBytes, leftovers }) {
      for (const sizeBytes of [0, 1, partBytes, partBytes + 1, 3 * partBytes + 1]) {
        const bytes = pattern(sizeBytes, sizeBytes);
        await store.writeStream("blobs/s", contentOf(bytes), { isBlob: true });
        assert.equal((await store.head("blobs/s"))?.sizeBytes, sizeBytes);
        await using reader = await store.open("blobs/s");
        const read = await fill(reader, new Uint8Array(sizeBytes + 1));
        assert.equal(digestOf(read.bytes), digestOf(bytes));
        assert.equal(await leftovers(), 0);
      }
    },
  },
  {
    name: "writeStream() leaves nothing when the reader fails, ends early or goes on too long",
    async body({ store, partBytes, leftovers }) {
      for (const sizeBytes of [10, partBytes, 3 * partBytes + 1]) {
        const bytes = pattern(sizeBytes);
        for (const after of [0, Math.floor(sizeBytes / 2), sizeBytes - 1, sizeBytes]) {
          const content = { sizeBytes, open: () => Promise.resolve(breaking(bytes, after)) };
          await assert.rejects(store.writeStream("blobs/b", content, { isBlob: true }), /the source broke/);
        }
        for (const announced of [sizeBytes - 1, sizeBytes + 1]) {
          await assert.rejects(
            store.writeStream("blobs/b", { ...contentOf(bytes), sizeBytes: announced }, { isBlob: true }),
            (error) =>
              isImageError(error, "digest-mismatch") &&
              error.message.endsWith(
                `: expected ${announced} bytes, got ${announced < sizeBytes ? "more" : sizeBytes}`,
              ),
          );
        }
        assert.equal(await store.head("blobs/b"), undefined);
        assert.deepEqual(await keysOf(store, ""), []);
        assert.equal(await leftovers(), 0);
      }
    },
  },
  {
    name: "many uploads at once share the buffers",
    async body({ store, partBytes }) {
      const names = Array.from({ length: 6 }, (_, index) => `blobs/m${index}`);
      await Promise.all(
        names.map((name, index) =>
          store.writeStream(name, contentOf(pattern(2 * partBytes + index, index)), { isBlob: true })
        ),
      );
      for (const [index, name] of names.entries()) {
        assert.equal(digestOf(await readObject(store, name)), digestOf(pattern(2 * partBytes + index, index)));
      }
    },
  },
  {
    name: "list() pages through more than 1000 keys in order, from where it is told",
    async body({ store }) {
      const names = Array.from({ length: 1203 }, (_, index) => `many/${String(index).padStart(4, "0")}`);
      for (let start = 0; start < names.length; start += 50) {
        await Promise.all(
          names.slice(start, start + 50).map((name) => store.write(name, encode("x"), { isBlob: true })),
        );
      }
      for (const key of ["m", "many-b", "manya", "many0/x"]) await store.write(key, encode("x"));
      assert.deepEqual(await keysOf(store, "many/"), names);
      assert.deepEqual(await keysOf(store, "many/", "many/1100"), names.slice(1101));
      assert.deepEqual(await keysOf(store, "many/00", "many/0097"), ["many/0098", "many/0099"]);
      assert.deepEqual(await keysOf(store, "many"), ["many-b", ...names, "many0/x", "manya"]);
      assert.deepEqual(await keysOf(store, "", "many/1201"), ["many/1202", "many0/x", "manya"]);
      assert.deepEqual(await keysOf(store, "", "many-b"), [...names, "many0/x", "manya"]);
      assert.deepEqual(await keysOf(store, "none/"), []);
      assert.deepEqual(await keysOf(store, "many/0001/"), []);
      const [first] = await listAll(store, "many/0000");
      assert.equal(first?.sizeBytes, 1);
      assert.equal(first?.etag, (await store.head("many/0000"))?.etag);
      await store.remove(names);
      assert.deepEqual(await keysOf(store, "many/"), []);
    },
  },
  {
    name: "remove() takes what is there and minds nothing that is not",
    async body({ store }) {
      await store.write("a/b/c", encode("x"));
      await store.write("a/d", encode("x"));
      await store.remove([]);
      await store.remove(["a/b/c", "a/none", "none/x"]);
      await store.remove(["a/none"]);
      assert.deepEqual(await keysOf(store, ""), ["a/d"]);
      await store.write("a/b", encode("x"));
      assert.deepEqual(await keysOf(store, ""), ["a/b", "a/d"]);
    },
  },
  {
    name: "of 50 writers that want to be first, one wins",
    async body({ store, again, leftovers }) {
      await using second = await again();
      const outcomes = await Promise.allSettled(
        Array.from(
          { length: 50 },
          (_, index) =>
            (index % 2 ? store : second).write("race", encode(`writer ${index}`), { condition: { absent: true } }),
        ),
      );
      const winners = outcomes.flatMap((outcome, index) => outcome.status === "fulfilled" ? [index] : []);
      assert.equal(winners.length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") assert.equal(outcome.reason.code, "conflict");
      }
      const found = await store.read("race", 100);
      assert.equal(new TextDecoder().decode(found?.bytes), `writer ${winners[0]}`);
      assert.equal(await leftovers(), 0);
    },
  },
  {
    name: "a write on an etag takes place only while the object is unchanged",
    async body({ store }) {
      await store.write("tag", encode("one"));
      const { etag } = await store.head("tag") ?? { etag: "" };
      await store.write("tag", encode("two"), { condition: { etag } });
      const conflict = (error: unknown) => isImageError(error, "conflict");
      await assert.rejects(store.write("tag", encode("three"), { condition: { etag } }), conflict);
      await assert.rejects(store.write("tag", encode("four"), { condition: { absent: true } }), conflict);
      assert.equal(new TextDecoder().decode((await store.read("tag", 10))?.bytes), "two");
      await store.remove(["tag"]);
      await assert.rejects(store.write("tag", encode("five"), { condition: { etag } }), conflict);
      assert.equal(await store.head("tag"), undefined);
    },
  },
  {
    name: "20 writers that each count one up by compare-and-swap lose no count",
    async body({ store, again }) {
      await using second = await again();
      await store.write("count", encode("0"));
      const countUp = async (through: ObjectStore): Promise<void> => {
        while (true) {
          const found = await through.read("count", 10);
          const next = Number(new TextDecoder().decode(found?.bytes)) + 1;
          try {
            return await through.write("count", encode(String(next)), { condition: { etag: found?.etag ?? "" } });
          } catch (error) {
            if (!isImageError(error, "conflict")) throw error;
          }
        }
      };
      await Promise.all(Array.from({ length: 20 }, (_, index) => countUp(index % 2 ? store : second)));
      assert.equal(new TextDecoder().decode((await store.read("count", 10))?.bytes), "20");
    },
  },
  {
    name: "a stream of several parts that wants to be first fails with conflict and changes nothing",
    async body({ store, partBytes, leftovers }) {
      await store.write("big", encode("first"));
      await assert.rejects(
        store.writeStream("big", contentOf(pattern(2 * partBytes)), { condition: { absent: true } }),
        (error) => isImageError(error, "conflict"),
      );
      assert.equal((await store.head("big"))?.sizeBytes, 5);
      assert.equal(await leftovers(), 0);
      await store.writeStream("new", contentOf(pattern(2 * partBytes)), { condition: { absent: true } });
      assert.equal((await store.head("new"))?.sizeBytes, 2 * partBytes);
    },
  },
  {
    name: "copyFrom() copies within and across stores without the bytes, and says when there are none",
    async body({ store, other, partBytes, leftovers }) {
      const bytes = pattern(2 * partBytes + 5);
      await other.writeStream("blobs/c +ä", contentOf(bytes), { isBlob: true });
      assert.equal(await store.copyFrom(other, "blobs/c +ä", "blobs/d", bytes.byteLength, { isBlob: true }), true);
      assert.equal(digestOf(await readObject(store, "blobs/d")), digestOf(bytes));
      assert.equal(await store.copyFrom(store, "blobs/d", "x/e", bytes.byteLength), true);
      assert.equal(digestOf(await readObject(store, "x/e")), digestOf(bytes));
      await assert.rejects(
        store.copyFrom(other, "blobs/none", "blobs/f", 5, { isBlob: true }),
        (error) => isImageError(error, "not-found"),
      );
      assert.equal(await store.head("blobs/f"), undefined);
      assert.equal(await leftovers(), 0);
    },
  },
  {
    name: "copyFrom() onto itself makes an object new, or says that it does not",
    async body({ store, refreshes }) {
      await store.write("blobs/old", encode("x"), { isBlob: true });
      const before = await store.head("blobs/old");
      await new Promise((resolve) => setTimeout(resolve, 1100)); // some servers keep whole seconds
      assert.equal(await store.copyFrom(store, "blobs/old", "blobs/old", 1, { isBlob: true }), refreshes);
      const after = await store.head("blobs/old");
      assert.equal((after?.modifiedAt.getTime() ?? 0) > (before?.modifiedAt.getTime() ?? 0), refreshes);
      assert.equal(after?.sizeBytes, 1);
    },
  },
  {
    name: "copyFrom() under a condition copies once and then fails with conflict",
    async body({ store, other, leftovers }) {
      await other.write("chunk", encode("one"));
      const conflict = (error: unknown) => isImageError(error, "conflict");
      assert.equal(await store.copyFrom(other, "chunk", "chunk", 3, { condition: { absent: true } }), true);
      await other.write("chunk", encode("four"));
      await assert.rejects(store.copyFrom(other, "chunk", "chunk", 4, { condition: { absent: true } }), conflict);
      const found = await store.read("chunk", 10);
      assert.equal(new TextDecoder().decode(found?.bytes), "one");
      const { etag = "" } = found ?? {};
      assert.equal(await store.copyFrom(other, "chunk", "chunk", 4, { condition: { etag } }), true);
      await assert.rejects(store.copyFrom(other, "chunk", "chunk", 4, { condition: { etag } }), conflict);
      await assert.rejects(
        store.copyFrom(other, "none", "new", 4, { condition: { absent: true } }),
        (error) => isImageError(error, "not-found"),
      );
      assert.equal(await leftovers(), 0);
    },
  },
];
