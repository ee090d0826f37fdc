/** Requests are signed as AWS's own signer signs them, and as its documentation's example has it. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { escapeKey, queryText, signedHeaders } from "../../src/objects/s3_sign.ts";

const KEYS = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  source: "",
};
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** The hash that the SDK's signer is given. */
class Sha256 {
  readonly #hash;
  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = key === undefined ? createHash("sha256") : createHmac("sha256", key as Uint8Array);
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#hash.digest()));
  }
  reset(): void {}
}

Deno.test("the request for a range that AWS documents gets the signature that it documents", () => {
  const { authorization } = signedHeaders(
    {
      method: "GET",
      url: new URL("https://examplebucket.s3.amazonaws.com/test.txt"),
      headers: { range: "bytes=0-9", "x-amz-content-sha256": EMPTY },
    },
    KEYS,
    { region: "us-east-1", service: "s3", date: new Date("2013-05-24T00:00:00Z") },
  );
  assert.equal(
    authorization,
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
      "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, " +
      "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  );
});

for (
  const [what, key, query, headers] of [
    ["a plain key", "blobs/sha256/ab", {}, {}],
    ["a key with everything that is escaped", "a b/ä+ü&=?%'()*!~_-.:@,;$#[]😀", {}, {}],
    ["a query whose names begin alike", "k", { "list-type": "2", list: "x", prefix: "a b/+ä", uploads: "" }, {}],
    ["an upload's part", "k", { uploadId: "a/b+c==", partNumber: "10" }, { "content-md5": "x==" }],
    ["headers with blanks", "k", {}, { "content-type": "  text/plain;   charset=x ", "x-amz-meta-a": "b  c" }],
    ["a bucket", "", { delete: "" }, { "x-amz-checksum-crc32": "AAAAAA==" }],
  ] as const
) {
  for (const sessionToken of [undefined, "a/token+with=signs=="]) {
    Deno.test(`${what} is signed as the SDK signs it, ${sessionToken ? "with" : "without"} a session's token`, async () => {
      const date = new Date("2026-02-03T04:05:06.789Z");
      const path = `/bucket${key === "" ? "" : `/${escapeKey(key)}`}`;
      const url = new URL(`http://[::1]:9000${path}${queryText(query)}`);
      const sent = { ...headers, "x-amz-content-sha256": EMPTY };
      const signer = new SignatureV4({
        service: "s3",
        region: "eu-west-3",
        credentials: { ...KEYS, ...(sessionToken === undefined ? {} : { sessionToken }) },
        sha256: Sha256 as never,
        uriEscapePath: false,
        applyChecksum: false,
      });
      const expected = await signer.sign({
        method: "POST",
        protocol: "http:",
        hostname: url.hostname,
        path,
        query,
        headers: { ...sent, host: url.host },
      }, { signingDate: date });
      const signed = signedHeaders(
        { method: "POST", url, headers: sent },
        { ...KEYS, sessionToken },
        { region: "eu-west-3", service: "s3", date },
      );
      // What goes out is what was signed: no path is rewritten on the way.
      assert.equal(url.pathname, path);
      const { host: _host, ...others } = expected.headers;
      assert.deepEqual(signed, others);
    });
  }
}
