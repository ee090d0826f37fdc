/** A configuration of thousands of images is read about as fast as it is long, and a key that is named twice is still found. */
import assert from "node:assert/strict";
import { readSettings, settingsOf, stampChunkFormat } from "../../src/bucket/settings.ts";
import { isImageError } from "../../src/errors.ts";
import { MemoryStore } from "../support/memory_store.ts";

async function storeWith(text: string): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.write("s3lo.yaml", new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>);
  return store;
}

const KEYS = 15_000;
const many = `images:\n${Array.from({ length: KEYS }, (_, index) => `  i${index}: {}\n`).join("")}`;

/**
 * How often two keys are compared: the library asks for the value of each key of a mapping once for every other one. Counted
 * on the very objects that it makes, so that no clock is needed.
 */
async function comparisons(run: () => Promise<unknown>): Promise<number> {
  const { Scalar } = await import("yaml");
  let count = 0;
  const values = new WeakMap<object, unknown>();
  Object.defineProperty(Scalar.prototype, "value", {
    configurable: true,
    get() {
      count++;
      return values.get(this);
    },
    set(value: unknown) {
      values.set(this, value);
    },
  });
  try {
    await run();
  } finally {
    delete (Scalar.prototype as { value?: unknown }).value;
  }
  return count;
}

Deno.test("readSettings() of 15,000 images compares no key with all others", async () => {
  const store = await storeWith(many);
  assert.equal((await readSettings(store)).images.size, KEYS);
  const some = await storeWith(`images:\n${many.split("\n").slice(1, 1001).join("\n")}\n`);
  const count = await comparisons(() => readSettings(some));
  assert.ok(count > 0 && count < 50 * 1000, `${count} looks at keys for 1,000 of them`);
});

const TWICE: Record<string, string> = {
  "at the top": "default: {}\nimages: {}\ndefault:\n  immutable: true\n",
  "below": "images:\n  app: {immutable: true}\n  other: {}\n  app: {immutable: false}\n",
  "in a flow": "default: {immutable: true, immutable: false}\n",
  "in quotes": `images:\n  app: {}\n  "app": {}\n`,
  "with an empty key": "images:\n  ? \n  : {}\n  ? \n  : {}\n",
  "far apart": `${many}  i7: {immutable: true}\n`,
};

for (const [name, text] of Object.entries(TWICE)) {
  Deno.test(`a key that s3lo.yaml names twice is refused ${name}`, async () => {
    for (const run of [readSettings, (store: MemoryStore) => stampChunkFormat(store, 1)]) {
      const store = await storeWith(text);
      await assert.rejects(run(store), (error: unknown) => {
        assert.ok(isImageError(error, "invalid-input"), String(error));
        assert.match(error.message, /names ".*" twice$/);
        return true;
      });
    }
  });
}

Deno.test("several merges into one mapping are no key named twice", async () => {
  const text = "x: &a {immutable: true}\ny: &b {other: 1}\nimages:\n  app:\n    <<: *a\n    <<: *b\n";
  assert.equal(settingsOf(await readSettings(await storeWith(text)), "app").immutable, true);
});
