import assert from "node:assert/strict";
import { clipped, ImageError, isImageError, messageOf, printable } from "../src/errors.ts";

Deno.test("ImageError keeps what could steer a terminal out of message and hint", { permissions: "none" }, () => {
  const error = new ImageError("invalid-input", 'Cannot read "a\u001b]0;x\u0007\nb\u202e"', {
    hint: "Try\r\n\u009b2J",
  });
  assert.equal(error.message, 'Cannot read "a\\u001b]0;x\\u0007 b\\u202e"');
  assert.equal(error.hint, "Try \\u009b2J");
});

Deno.test("printable() leaves the text of every language alone", { permissions: "none" }, () => {
  const text = "Grüße, 世界, مرحبا, 👩‍🚀 — 1 = 1";
  assert.equal(printable(text), text);
  assert.equal(printable("a\tb\u2028c\ud800d\u0000"), "a\\tb\\u2028c\\ud800d\\u0000");
});

Deno.test("clipped() marks where it cut", { permissions: "none" }, () => {
  assert.equal(clipped("short"), "short");
  assert.equal(clipped("x".repeat(81)), `${"x".repeat(77)}...`);
  assert.equal(clipped("abcdef", 5), "ab...");
});

Deno.test("isImageError() and messageOf() take anything that was thrown", { permissions: "none" }, () => {
  const error = new ImageError("denied", "No", { cause: 1 });
  assert.equal(isImageError(error), true);
  assert.equal(isImageError(error, "denied"), true);
  assert.equal(isImageError(error, "conflict"), false);
  assert.equal(isImageError(new Error("denied"), "denied"), false);
  assert.deepEqual([error, "text", undefined].map(messageOf), ["No", "text", "undefined"]);
  assert.equal(error.cause, 1);
});
