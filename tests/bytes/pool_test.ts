import assert from "node:assert/strict";
import { BufferPool } from "../../src/bytes/buffers.ts";
import { mapPool, Semaphore } from "../../src/bytes/pool.ts";
import { settle } from "./readers.ts";

Deno.test("BufferPool lends no more than its buffers, in the order in which they were asked for", {
  permissions: "none",
}, async () => {
  const pool = new BufferPool(2, 16);
  const [first, second] = [await pool.take(), await pool.take()];
  assert.equal(first.byteLength, 16);
  const order: string[] = [];
  const third = pool.take().then((view) => (order.push("third"), view));
  const fourth = pool.take().then((view) => (order.push("fourth"), view));
  await settle();
  assert.deepEqual(order, []);
  pool.give(second);
  await settle();
  assert.deepEqual(order, ["third"]);
  pool.give(first.subarray(3, 5));
  await fourth;
  assert.deepEqual(order, ["third", "fourth"]);
  assert.equal((await third).buffer, second.buffer, "the same memory again");
  assert.equal((await fourth).buffer, first.buffer, "any view gives its whole buffer back");
});

Deno.test("BufferPool makes a lost buffer anew, for one who waits and for later", { permissions: "none" }, async () => {
  const pool = new BufferPool(1, 16);
  const lost = await pool.take();
  const waiting = pool.take();
  lost.buffer.transfer();
  pool.give(lost);
  const next = await waiting;
  assert.equal(next.byteLength, 16);
  next.buffer.transfer();
  pool.give(next);
  const last = await pool.take();
  assert.equal(last.byteLength, 16);
  pool.give(new Uint8Array(99));
  assert.equal((await pool.take()).byteLength, 16, "a buffer of another size is not lent");
});

Deno.test("BufferPool and Semaphore have at least one place", { permissions: "none" }, async () => {
  assert.equal((await new BufferPool(0, 4).take()).byteLength, 4);
  assert.equal(await new Semaphore(0).run(() => Promise.resolve(7)), 7);
});

Deno.test(
  "Semaphore runs as many as it may, in order, and goes on after a failure",
  { permissions: "none" },
  async () => {
    const semaphore = new Semaphore(2);
    const started: number[] = [];
    const gates = Array.from({ length: 5 }, () => Promise.withResolvers<number>());
    const results = gates.map((gate, index) =>
      semaphore.run(() => {
        started.push(index);
        return gate.promise;
      })
    );
    await settle();
    assert.deepEqual(started, [0, 1]);
    gates[1]!.reject(new Error("second failed"));
    await assert.rejects(results[1]!, /second failed/);
    await settle();
    assert.deepEqual(started, [0, 1, 2]);
    for (const [index, gate] of gates.entries()) gate.resolve(index);
    assert.deepEqual(await Promise.all([results[0], ...results.slice(2)]), [0, 2, 3, 4]);
    assert.deepEqual(started, [0, 1, 2, 3, 4]);
  },
);

Deno.test("Semaphore frees its place when a task throws at once", { permissions: "none" }, async () => {
  const semaphore = new Semaphore(1);
  await assert.rejects(
    semaphore.run(() => {
      throw new Error("at once");
    }),
    /at once/,
  );
  assert.equal(await semaphore.run(() => Promise.resolve("free")), "free");
});

Deno.test("mapPool() gives results in the order of the items, limit at once", { permissions: "none" }, async () => {
  let active = 0;
  let most = 0;
  const results = await mapPool([30, 10, 20, 0, 5], 2, async (turns) => {
    most = Math.max(most, ++active);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    active--;
    return turns * 2;
  });
  assert.deepEqual(results, [60, 20, 40, 0, 10]);
  assert.equal(most, 2);
  assert.deepEqual(await mapPool([], 4, () => Promise.resolve(1)), []);
  assert.deepEqual(await mapPool(new Set(["a"]), Infinity, (item) => Promise.resolve(item)), ["a"]);
  assert.deepEqual(await mapPool([1, 2], 0, (item) => Promise.resolve(item)), [1, 2]);
});

Deno.test("mapPool() throws the first failure after every running task has ended, and starts no more", {
  permissions: "none",
}, async () => {
  const started: number[] = [];
  const ended: number[] = [];
  const first = new Error("first");
  const work = mapPool([0, 1, 2, 3, 4, 5], 3, async (item, signal) => {
    started.push(item);
    if (item === 1) throw first;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await settle();
    ended.push(item);
    throw new Error(`late failure of ${item}`);
  });
  await assert.rejects(work, (error) => error === first);
  assert.deepEqual(started, [0, 1, 2]);
  assert.deepEqual(ended, [0, 2]);
});

Deno.test("mapPool() stops when its caller's signal aborts", { permissions: "none" }, async () => {
  const caller = new AbortController();
  const started: number[] = [];
  const reason = new Error("stopped by the user");
  const work = mapPool([0, 1, 2, 3], 1, (item, signal) => {
    started.push(item);
    if (item === 1) caller.abort(reason);
    assert.equal(signal.aborted, item === 1);
    return Promise.resolve(item);
  }, caller.signal);
  await assert.rejects(work, (error) => error === reason);
  assert.deepEqual(started, [0, 1]);
  await assert.rejects(
    mapPool([1], 1, () => Promise.reject(new Error("must not run")), caller.signal),
    (error) => error === reason,
  );
});
