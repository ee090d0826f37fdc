import assert from "node:assert/strict";
import { bytesMember, tarReader } from "../../src/archive/tar_writer.ts";
import { bytesReader, readAll } from "../../src/bytes/blob_reader.ts";
import { isImageError } from "../../src/errors.ts";
import { spoolExport } from "../../src/transports/docker_daemon_export.ts";
import { concat } from "../support/concat.ts";
import { Random } from "../support/images.ts";

/**
 * A daemon that cannot go on with an export has answered 200 already: it appends its words to the tar, wherever that stands.
 * Only "it is cut off" used to be said then.
 */
const WORDS =
  `{"errorDetail":{"message":"unable to read blob: no such file"},"error":"unable to read blob: no such file"}\r\n`;

const blob = new Random(31).bytes(300_000);

async function tar(): Promise<Uint8Array<ArrayBuffer>> {
  await using reader = tarReader([bytesMember("blobs/sha256/x", blob)]);
  return await readAll(reader, 1_000_000, "tar");
}

for (
  const [where, keptBytes] of [
    ["at the start", 0],
    ["within a file", 100_000],
    ["so near to a file's end that they run over into the next header", 512 + 300_000 - 10],
    ["after a file", 512 + 300_032],
  ] as const
) {
  Deno.test(`an export that fails ${where} is told in the daemon's words`, async () => {
    const bytes = concat([(await tar()).subarray(0, keptBytes), new TextEncoder().encode(WORDS)]);
    await assert.rejects(
      spoolExport(bytesReader(bytes), { name: `the daemon's export of "app:v1"` }),
      (error) =>
        isImageError(error, "invalid-input") &&
        error.message === `Cannot read the daemon's export of "app:v1": unable to read blob: no such file`,
    );
  });
}

Deno.test("an export that is cut off without words is said to be", async () => {
  const bytes = (await tar()).subarray(0, 100_000);
  await assert.rejects(
    spoolExport(bytesReader(bytes), { name: "the export" }),
    (error) => isImageError(error, "invalid-input") && /it is cut off$/.test(error.message),
  );
});
