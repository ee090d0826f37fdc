import assert from "node:assert/strict";
import { SharedBuffers } from "../../src/bytes/shared_buffers.ts";

function take(user: { take(): Uint8Array<ArrayBuffer> | undefined }): Uint8Array<ArrayBuffer> {
  const view = user.take();
  assert.ok(view, "a buffer is lent");
  return view;
}

Deno.test("SharedBuffers lend a bounded number, and the first one to everybody", { permissions: "none" }, () => {
  const buffers = new SharedBuffers(3, 10);
  const [first, second, third] = [1, 2, 3].map(() => buffers.join(() => {}));
  const held = [take(first!), take(first!), take(first!)];
  assert.equal(first!.take(), undefined);
  assert.equal(take(second!).byteLength, 10, "beyond the number");
  assert.equal(second!.take(), undefined, "only the first one");
  take(third!);
  first!.give(held[0]!);
  first!.give(held[1]!);
  assert.equal(first!.take(), undefined, "three are lent to three users");
  assert.equal(second!.take(), undefined);
});

Deno.test("SharedBuffers give what becomes free to whoever joined first", { permissions: "none" }, () => {
  const buffers = new SharedBuffers(2, 10);
  const told: string[] = [];
  const early = buffers.join(() => told.push("early"));
  const late = buffers.join(() => {
    told.push("late");
    late.take();
  });
  const view = take(late);
  take(early);
  assert.equal(late.take(), undefined);
  assert.equal(early.take(), undefined);
  late.give(view);
  assert.deepEqual(told, ["early", "late"], "who does not want it leaves it to the next");
  assert.equal(early.take(), undefined, "it was taken");
});

Deno.test("SharedBuffers tell nobody who has left", { permissions: "none" }, () => {
  const buffers = new SharedBuffers(1, 10);
  const holder = buffers.join(() => {});
  const view = take(holder);
  const leaving = buffers.join(() => assert.fail("told"));
  take(leaving);
  assert.equal(leaving.take(), undefined);
  leaving.leave();
  holder.give(view);
  holder.give(take(holder));
});

Deno.test("SharedBuffers use a buffer again, and count one that was lost underneath as free", {
  permissions: "none",
}, () => {
  const buffers = new SharedBuffers(1, 10);
  const user = buffers.join(() => {});
  const view = take(user);
  view.set([7]);
  user.give(view.subarray(2, 4));
  assert.equal(take(user)[0], 7);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  user.give(view);
  assert.equal(take(user).byteLength, 10);
});
