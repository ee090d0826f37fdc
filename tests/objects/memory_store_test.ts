/** The store in memory keeps the promises of the real ones, so that what is tested on it holds for them. */
import { CONTRACT } from "./object_store_contract.ts";
import { MemoryStore } from "../support/memory_store.ts";

for (const { name, body } of CONTRACT) {
  Deno.test({
    name: `a store in memory: ${name}`,
    permissions: "none",
    fn: async () => {
      const store = new MemoryStore("s3://memory", { pageObjects: 1000 });
      await body({
        store,
        other: new MemoryStore("s3://other"),
        partBytes: 1024 * 1024,
        refreshes: true,
        leftovers: () => Promise.resolve(0),
        again: () => Promise.resolve(Object.assign(store, { [Symbol.asyncDispose]: () => Promise.resolve() })),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  });
}
