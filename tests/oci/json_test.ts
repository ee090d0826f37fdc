import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { isObject, Members, parseJsonObject, parseStrictJsonObject } from "../../src/oci/json.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("parseJsonObject() is lenient where parseStrictJsonObject() is not", { permissions: "none" }, () => {
  const deep = `{"a":${"[".repeat(500)}${"]".repeat(500)}}`;
  for (const text of ["\ufeff{}", `{"a":1,"a":2}`, deep]) {
    assert.ok(isObject(parseJsonObject(bytes(text), "settings")));
    assert.throws(() => parseStrictJsonObject(bytes(text), "index"), (error) => isImageError(error, "invalid-input"));
  }
  for (const text of ["", "[]", "null", "1", "{'a':1}", "{} {}"]) {
    assert.throws(() => parseJsonObject(bytes(text), "settings"), (error) => {
      assert.ok(isImageError(error, "invalid-input"));
      return /^Cannot read settings: /.test(error.message);
    });
  }
});

Deno.test("Members never sees what every object inherits", { permissions: "none" }, () => {
  const members = new Members({}, "document");
  for (const key of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
    assert.equal(members.raw(key), undefined, key);
    assert.equal(members.has(key), false, key);
    assert.equal(members.string(key), undefined, key);
    assert.equal(members.stringMap(key), undefined, key);
  }
  assert.equal(new Members(JSON.parse(`{"__proto__":"own"}`), "document").string("__proto__"), "own");
});

Deno.test("Members takes null for missing", { permissions: "none" }, () => {
  const members = new Members({ a: null, b: 0, c: "" }, "document");
  assert.equal(members.has("a"), false);
  assert.equal(members.size("a"), undefined);
  assert.equal(members.size("b"), 0);
  assert.equal(members.string("c"), "");
});
