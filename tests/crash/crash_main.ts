/**
 * Runs s3lo and stands still at one moment, for a crash: just before or just after its Nth operation on files and the
 * network. Whoever started it then kills it. Without a moment it says how many operations there were.
 */
import net from "node:net";
import { main } from "../../src/cli/main.ts";

const at = Number(Deno.env.get("S3LO_CRASH_AT") ?? 0);
let operations = 0;

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`\n${text}\n`));
}

function standStill(): never {
  say("CRASH-POINT");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  throw new Error("unreachable");
}

// deno-lint-ignore no-explicit-any -- functions of any shape are wrapped
type Anything = any;

/** Counts the calls of a method, and stops at the one that was named: even ones before, odd ones after it was done. */
function watch(holder: Anything, name: string): void {
  const original = holder[name];
  holder[name] = function (this: Anything, ...args: Anything[]) {
    const number = ++operations;
    if (number === at && at % 2 === 0) standStill();
    const result = original.apply(this, args);
    if (number !== at) return result;
    if (!(result instanceof Promise)) standStill();
    return result.then(standStill, standStill);
  };
}

for (const name of ["open", "rename", "link", "remove", "mkdir", "writeFile", "utime", "truncate"]) watch(Deno, name);
for (const name of ["openSync", "renameSync", "linkSync", "removeSync", "mkdirSync", "utimeSync"]) watch(Deno, name);
for (const name of ["write", "syncData", "sync", "truncate", "lock"]) watch(Deno.FsFile.prototype, name);
watch(globalThis, "fetch");
watch(net.Socket.prototype, "write");

const code = await main(Deno.args);
if (at === 0) say(`CRASH-TOTAL ${operations}`);
Deno.exit(code);
