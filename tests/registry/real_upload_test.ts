import assert from "node:assert/strict";
import { readAll } from "../../src/bytes/blob_reader.ts";
import { ImageError } from "../../src/errors.ts";
import type { BlobContent } from "../../src/image/places.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import { openRegistrySource, openRegistryTarget } from "../../src/transports/registry.ts";
import { makeCertificate } from "../support/certificates.ts";
import { Random } from "../support/images.ts";
import { serveCutting } from "./cutting_proxy.ts";
import { CURRENT_REGISTRY, needs, OLD_REGISTRY, startRegistry } from "./real_registry.ts";
import { contentOf, readBlob, registryReference, testSession } from "./support.ts";

const MIB = 1024 * 1024;

/** A blob too large to be sent from memory. */
const bytes = (() => {
  const block = new Random(3).bytes(MIB);
  const all = new Uint8Array(20 * MIB + 123);
  for (let at = 0; at < all.byteLength; at += MIB) {
    block[0] = at / MIB;
    all.set(block.subarray(0, Math.min(MIB, all.byteLength - at)), at);
  }
  return all;
})();
const blob: Descriptor = { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.byteLength };

/** The same bytes, with a record of where they were opened. */
function watched(): { readonly content: BlobContent; readonly offsets: number[] } {
  const offsets: number[] = [];
  const inner = contentOf(blob, bytes);
  const open = (offset = 0) => {
    offsets.push(offset);
    return inner.open(offset);
  };
  return { content: { blob, open }, offsets };
}

for (const program of [CURRENT_REGISTRY, OLD_REGISTRY]) {
  const needed = needs(program);

  Deno.test(`a large blob is sent in one go and comes back whole or in ranges (${program})`, needed, async () => {
    await using registry = await startRegistry({ program });
    const log: string[] = [];
    using session = testSession({ http: { log: (line) => log.push(line) } });
    const reference = registryReference(`${registry.host}/big:v1`);
    await using target = openRegistryTarget(reference, session);
    const { content, offsets } = watched();
    await target.writeBlob(content);
    assert.deepEqual(offsets, [0]);
    assert.equal(log.filter((line) => line.startsWith("PUT")).length, 1);
    assert.equal(log.filter((line) => line.startsWith("PATCH")).length, 0);
    const source = openRegistrySource(reference, session);
    assert.ok(bytesEqual(await readBlob(source, blob), bytes));
    await using range = await source.openBlob(blob, { start: 5 * MIB, length: 1000 });
    assert.ok(bytesEqual(await readAll(range, 2000, "range"), bytes.subarray(5 * MIB, 5 * MIB + 1000)));
    await using tail = await source.openBlob(blob, { start: 20 * MIB });
    assert.ok(bytesEqual(await readAll(tail, 2000, "tail"), bytes.subarray(20 * MIB)));
  });

  Deno.test(`an upload that breaks twice goes on where the registry stopped (${program})`, needed, async () => {
    await using registry = await startRegistry({ program });
    await using proxy = serveCutting(registry.host, { afterSentBytes: 6 * MIB, times: 2 });
    const log: string[] = [];
    using session = testSession({
      http: { log: (line) => log.push(line) },
      retry: { baseDelayMs: 300, maxDelayMs: 600 },
    });
    await using target = openRegistryTarget(registryReference(`${proxy.host}/big:v1`), session);
    const { content, offsets } = watched();
    await target.writeBlob(content);
    const story = log.join("\n");
    assert.equal(proxy.cuts(), 2, story);
    if (program === OLD_REGISTRY) {
      // The older release forgets an upload that broke: it begins anew, in parts.
      assert.deepEqual(offsets, [0, 0, 0], story);
    } else {
      assert.equal(offsets.length, 2, story);
      assert.ok(offsets[1]! > 5 * MIB && offsets[1]! < 7 * MIB, story);
      assert.match(story, /PATCH [^\n]* failed: [^\n]*\n[^\n]*trying again[^\n]*\nGET [^\n]* -> 204/);
    }
    const direct = openRegistrySource(registryReference(`${registry.host}/big:v1`), session);
    assert.ok(bytesEqual(await readBlob(direct, blob), bytes));
  });

  Deno.test(`a blob whose source fails near its end never shows up (${program})`, needed, async () => {
    await using registry = await startRegistry({ program });
    using session = testSession();
    await using target = openRegistryTarget(registryReference(`${registry.host}/big:v1`), session);
    const failure = new ImageError("digest-mismatch", "Cannot read it: it is wrong");
    let opened = 0;
    const content: BlobContent = {
      blob,
      async open() {
        opened++;
        const reader = await contentOf(blob, bytes).open();
        let left = bytes.byteLength - 10;
        return {
          async read(into) {
            if (left === 0) throw failure;
            const piece = await reader.read(into.subarray(0, Math.min(into.byteLength, left)));
            left -= piece.byteLength;
            return piece;
          },
          [Symbol.asyncDispose]: () => Promise.resolve(),
        };
      },
    };
    await assert.rejects(target.writeBlob(content), (error) => error === failure);
    assert.equal(opened, 1);
    assert.equal((await target.findBlobs([blob])).size, 0);
  });

  Deno.test(
    `a registry refuses bytes that don't match their digest, and it is said so (${program})`,
    needed,
    async () => {
      await using registry = await startRegistry({ program });
      using session = testSession();
      await using target = openRegistryTarget(registryReference(`${registry.host}/small:v1`), session);
      const wrong = { ...blob, size: 4 };
      await assert.rejects(target.writeBlob(contentOf(wrong, new Uint8Array(4))), (error: ImageError) => {
        assert.equal(error.code, "digest-mismatch", error.message);
        assert.match(error.message, /DIGEST_INVALID/);
        return true;
      });
    },
  );
}

Deno.test(
  "a large blob goes over TLS of an own authority, and unchecked with insecure",
  needs(CURRENT_REGISTRY, "openssl"),
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "s3lo-tls-" });
    try {
      const { ca, cert, key } = await makeCertificate();
      await Deno.writeTextFile(`${folder}/cert.pem`, cert);
      await Deno.writeTextFile(`${folder}/key.pem`, key);
      await using registry = await startRegistry({ tls: `{certificate: ${folder}/cert.pem, key: ${folder}/key.pem}` });
      for (const http of [{ caCertificates: [ca] }, { insecure: true }]) {
        using session = testSession({ http });
        const reference = registryReference(`${registry.host}/big-${Object.keys(http)[0]!.toLowerCase()}:v1`);
        await using target = openRegistryTarget(reference, session);
        await target.writeBlob(contentOf(blob, bytes));
        assert.ok(bytesEqual(await readBlob(openRegistrySource(reference, session), blob), bytes));
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

function bytesEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && digestOf(left) === digestOf(right);
}
