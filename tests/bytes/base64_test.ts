import assert from "node:assert/strict";
import { decodeBase64, encodeBase64 } from "../../src/bytes/base64.ts";

Deno.test("encodeBase64() and decodeBase64() are each other's inverse for every byte", { permissions: "none" }, () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  assert.equal(encodeBase64(bytes), bytes.toBase64());
  assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes);
  assert.equal(encodeBase64(new Uint8Array()), "");
});

Deno.test("decodeBase64() refuses what is no base64 without quoting it", { permissions: "none" }, () => {
  assert.throws(() => decodeBase64("sec*ret"), (error) => error instanceof Error && !error.message.includes("sec"));
});
