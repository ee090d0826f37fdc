/** A host is reached by whichever of its addresses answers, not by the first alone. */
import assert from "node:assert/strict";
import { connectAny, connectTcp } from "../../src/http/connect_tcp.ts";

/** A system in which some addresses answer; `never` does not, in either way. */
function system(answers: Readonly<Record<string, "yes" | "no" | "never">>, addresses: readonly string[]) {
  const closed: string[] = [];
  const connect = (hostname: string) => {
    const name = hostname === "host.test" ? addresses[0]! : hostname;
    if (answers[name] === "never") return new Promise<never>(() => {});
    if (answers[name] !== "yes") return Promise.reject(new Error(`${name} refused`));
    return Promise.resolve({ name, [Symbol.dispose]: () => void closed.push(name) });
  };
  return { closed, connect, addresses: () => Promise.resolve(addresses) };
}

Deno.test(
  "the other addresses of a host are tried where the first refuses or is silent",
  { permissions: "none" },
  async () => {
    const cases = [
      [{ "::1": "yes" }, "::1"],
      [{ "::1": "no", "127.0.0.1": "yes" }, "127.0.0.1"],
      [{ "::1": "never", "127.0.0.1": "yes" }, "127.0.0.1"],
      [{ "::1": "no", "127.0.0.1": "never", "127.0.0.2": "yes" }, "127.0.0.2"],
    ] as const;
    for (const [answers, expected] of cases) {
      const found = await connectAny(system(answers, ["::1", "127.0.0.1", "127.0.0.2"]), "host.test", 1);
      assert.equal(found.name, expected);
    }
  },
);

Deno.test("where no address answers the first one's words are told, and second connections are closed", {
  permissions: "none",
}, async () => {
  await assert.rejects(connectAny(system({}, ["::1", "127.0.0.1"]), "host.test", 1), { message: "::1 refused" });
  const two = system({ "::1": "no", a: "yes", b: "yes" }, ["::1", "a", "b"]);
  const found = await connectAny(two, "host.test", 1);
  await Promise.resolve();
  assert.deepEqual([found.name, two.closed], ["a", ["b"]]);
});

Deno.test("connectTcp() reaches a server of this machine by its name", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using connection = await connectTcp("localhost", (listener.addr as Deno.NetAddr).port);
  using accepted = await listener.accept();
  assert.equal((connection.localAddr as Deno.NetAddr).port, (accepted.remoteAddr as Deno.NetAddr).port);
});
