import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { Total } from "../../src/oci/limits.ts";

Deno.test({
  name: "Total.add() takes as much as the limit and stops one beyond it, saying what there is too much of",
  permissions: "none",
  fn() {
    const total = new Total('Cannot list "x"', 5, "pages", "Name a part of it");
    total.add();
    total.add(4);
    total.add(0);
    assert.throws(() => total.add(), (error: unknown) => {
      assert.ok(isImageError(error, "invalid-input"));
      assert.equal(error.message, 'Cannot list "x": it has more than 5 pages');
      assert.equal(error.hint, "Name a part of it");
      return true;
    });
  },
});
