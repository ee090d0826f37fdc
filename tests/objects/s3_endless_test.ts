/** Lists that a server never ends: each has a limit with a name, and a planted upload that cannot be listed hinders nobody. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { contentOf, pattern } from "./object_store_contract.ts";
import { oddS3 } from "./odd_s3_server.ts";
import { etagOf, xml } from "./odd_s3_answers.ts";

const PERMISSIONS: Deno.PermissionOptions = { net: ["127.0.0.1"], env: true, read: "inherit", sys: "inherit" };

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: PERMISSIONS, fn });
}

const stuck = (error: unknown) => isImageError(error, "invalid-input") && /does not go on/.test(error.message);
const contents = (key: string) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`;

test("a listing whose pages go in a circle ends where it comes round", async () => {
  await using odd = await oddS3(({ operation, earlier }) =>
    operation !== "ListObjectsV2" ? undefined : xml(
      `<ListBucketResult><IsTruncated>true</IsTruncated>${contents(`k${earlier}`)}` +
        `<NextContinuationToken>t${earlier % 3}</NextContinuationToken></ListBucketResult>`,
    )
  );
  const pages: unknown[] = [];
  await assert.rejects(async () => {
    for await (const page of odd.store.list("")) pages.push(page);
  }, stuck);
  assert.equal(pages.length, 4);
});

test("a listing of empty pages that never end ends after a thousand", async () => {
  await using odd = await oddS3(({ operation, earlier }) =>
    operation !== "ListObjectsV2" ? undefined : xml(
      `<ListBucketResult><IsTruncated>true</IsTruncated>` +
        `<NextContinuationToken>t${earlier}</NextContinuationToken></ListBucketResult>`,
    )
  );
  await assert.rejects(Array.fromAsync(odd.store.list("")), stuck);
  assert.equal(odd.requests.length, 1000);
});

test("some empty pages between others are fine", async () => {
  await using odd = await oddS3(({ operation, earlier }) =>
    operation !== "ListObjectsV2" ? undefined : xml(
      `<ListBucketResult><IsTruncated>${earlier < 30}</IsTruncated>${
        earlier % 10 === 0 ? contents(`k${earlier}`) : ""
      }` +
        `<NextContinuationToken>t${earlier}</NextContinuationToken></ListBucketResult>`,
    )
  );
  assert.equal((await Array.fromAsync(odd.store.list(""))).length, 4);
});

for (
  const [what, page] of [
    ["comes back to where it was", (call: number) => [call % 2 + 1, 1, 5]],
    ["goes on beyond the last possible part", (call: number) => [(call + 1) * 1000, call * 1000 + 1, 1000]],
    ["has pages without parts", (call: number) => [call + 1, 1, 0]],
  ] satisfies [string, (call: number) => number[]][]
) {
  test(`an unfinished upload whose list of parts ${what} is left alone, and the next one is gone on with`, async () => {
    const bytes = pattern(2500);
    const parts = (first: number, count: number) =>
      Array.from(
        { length: count },
        (_, index) =>
          `<Part><PartNumber>${
            first + index
          }</PartNumber><Size>1000</Size><ETag>"x"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>`,
      )
        .join("");
    let calls = 0;
    await using odd = await oddS3(({ operation, query }) => {
      if (operation !== "ListParts" || query.get("uploadId") !== "planted") return undefined;
      assert.ok(calls < 30, "the list goes on and on");
      const [marker = 0, first = 0, count = 0] = page(calls++);
      return xml(
        `<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>${marker}</NextPartNumberMarker>` +
          `${parts(first, count)}</ListPartsResult>`,
      );
    });
    const own = bytes.slice(0, 1000);
    await odd.store.writeStream("blobs/seed", contentOf(own)); // so that ids of uploads are told apart from these
    const { crc32Base64 } = await import("../../src/objects/s3_habits.ts");
    odd.uploads.set("planted", { key: "blobs/a", headers: {}, parts: new Map() });
    odd.uploads.set("own", {
      key: "blobs/a",
      headers: {},
      parts: new Map([[1, { bytes: own, checksums: { ChecksumCRC32: crc32Base64(own) }, etag: etagOf(own) }]]),
    });
    await odd.store.writeStream("blobs/a", contentOf(bytes), { isBlob: true });
    assert.deepEqual(odd.objects.get("blobs/a")?.bytes, bytes);
    const sent = odd.requests.filter(({ operation }) => operation === "UploadPart").map(({ query }) =>
      query.get("partNumber")
    );
    assert.deepEqual(sent.sort(), ["2", "3"]);
    assert.ok(odd.lines.some((line) => line.includes("cannot be listed to an end")));
    assert.ok(odd.uploads.has("planted"));
  });
}
