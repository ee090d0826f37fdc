import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { heedsConditions } from "../../src/objects/heeds_conditions.ts";
import { openS3Store } from "../../src/objects/open_s3_store.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { serviceTest } from "../support/services.ts";
import { contentOf, pattern, readObject } from "./object_store_contract.ts";
import { s3Kit, withEnvironment } from "./s3_kit.ts";

for (const server of ["minio", "versity"] as const) {
  serviceTest(`S3 store on ${server}: a large object is copied in parts, and its bytes do not pass through here`, [
    server,
  ], async (addresses) => {
    const mib = 1024 * 1024;
    await using kit = await s3Kit(addresses[server], { copyLimitBytes: 8 * mib, copyPartBytes: 5 * mib });
    const bytes = pattern(16 * mib + 3);
    await kit.other.writeStream("blobs/large", contentOf(bytes), { isBlob: true });
    kit.lines.length = 0;
    const copied = await kit.store.copyFrom(kit.other, "blobs/large", "blobs/copy", bytes.byteLength, { isBlob: true });
    assert.equal(copied, true);
    const requests = kit.lines.filter((line) => / -> 200 /.test(line));
    assert.equal(requests.filter((line) => /^PUT .*partNumber=/.test(line)).length, 4);
    assert.equal(requests.filter((line) => /^GET /.test(line)).length, 0);
    assert.equal(digestOf(await readObject(kit.store, "blobs/copy")), digestOf(bytes));
    assert.equal(await kit.leftovers(), 0);
  });

  serviceTest(
    `S3 store on ${server}: a missing bucket and wrong keys each get their line`,
    [server],
    async (addresses) => {
      await using kit = await s3Kit(addresses[server]);
      const options = { endpoint: kit.endpoint, http: kit.http, partBytes: 5 * 1024 * 1024 };
      const missing = await openS3Store({ ...options, bucket: `${kit.bucket}-none` });
      const noBucket = (error: unknown) => isImageError(error, "not-found") && error.message.includes("no bucket");
      for (const sizeBytes of [10, 5 * 1024 * 1024, 6 * 1024 * 1024]) {
        await assert.rejects(missing.writeStream("a", contentOf(pattern(sizeBytes))), noBucket);
      }
      await assert.rejects(missing.read("a", 10), noBucket);
      await assert.rejects(Array.fromAsync(missing.list("")), noBucket);
      await assert.rejects(missing.remove(["a", "b"]), noBucket);
      using _keys = withEnvironment({ AWS_SECRET_ACCESS_KEY: "wrong-secret" });
      const stranger = await openS3Store({ ...options, bucket: kit.bucket });
      const wrongKeys = (error: unknown) =>
        isImageError(error, "unauthorized") &&
        error.message.includes(new URL(addresses[server]).username.slice(0, 4)) &&
        !error.message.includes("secret");
      for (const sizeBytes of [10, 5 * 1024 * 1024, 6 * 1024 * 1024]) {
        await assert.rejects(stranger.writeStream("a", contentOf(pattern(sizeBytes))), wrongKeys);
      }
      await assert.rejects(stranger.head("a"), wrongKeys);
    },
  );

  serviceTest(
    `S3 store on ${server}: it heeds conditions, and a stopped upload frees its parts`,
    [server],
    async (addresses) => {
      const stop = new AbortController();
      await using kit = await s3Kit(addresses[server], { signal: stop.signal });
      assert.equal(await heedsConditions(kit.store), true);
      const bytes = pattern(30 * 1024 * 1024);
      const content = contentOf(bytes);
      const stopping = {
        ...content,
        async open() {
          const inner = await content.open();
          let total = 0;
          return {
            async read(into: Uint8Array<ArrayBuffer>) {
              const read = await inner.read(into);
              total += read.byteLength;
              if (total > 20 * 1024 * 1024) stop.abort();
              return read;
            },
            [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
          };
        },
      };
      await assert.rejects(kit.store.writeStream("a", stopping), (error) => isImageError(error, "aborted"));
      assert.equal(await kit.leftovers(), 0);
    },
  );
}
