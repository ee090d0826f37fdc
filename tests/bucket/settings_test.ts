import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { matchesGlob } from "../../src/bucket/glob.ts";
import { readSettings, settingsOf, stampChunkFormat } from "../../src/bucket/settings.ts";
import { Random } from "../support/images.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { cpuTime } from "../support/cpu_time.ts";

const utf8 = (text: string) => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
const test = (name: string, fn: () => Promise<void> | void) => Deno.test(name, fn);

async function storeWith(text?: string): Promise<MemoryStore> {
  const store = new MemoryStore();
  if (text !== undefined) await store.write("s3lo.yaml", utf8(text));
  return store;
}

async function textOf(store: MemoryStore): Promise<string> {
  return new TextDecoder().decode((await store.read("s3lo.yaml", 10_000))?.bytes);
}

const GLOBS: readonly [pattern: string, name: string, matches: boolean][] = [
  ["app", "app", true],
  ["app", "apps", false],
  ["dev/*", "dev/a", true],
  ["dev/*", "dev/a/b", false],
  ["*", "team/app", false],
  ["*", "app", true],
  ["**", "app", true],
  ["a?p", "app", true],
  ["a?p", "a/p", false],
  ["app[12]", "app1", true],
  ["app[^12]", "app1", false],
  ["app[^12]", "app3", true],
  ["[a-c]x", "bx", true],
  ["a\\*b", "a*b", true],
  ["a\\*b", "axb", false],
  ["[", "[", false],
  ["a.c", "abc", false],
  ["x\\", "x", false],
];
for (const [pattern, name, matches] of GLOBS) {
  test(`matchesGlob() says ${matches} for ${pattern} and ${name}`, () =>
    assert.equal(matchesGlob(pattern, name), matches));
}

test("matchesGlob() takes no longer for many stars", () => {
  const spentMs = cpuTime();
  assert.equal(matchesGlob(`${"*a".repeat(50)}*b`, "a".repeat(1000)), false);
  assert.equal(matchesGlob(`${"*a".repeat(50)}*`, "a".repeat(1000)), true);
  assert.ok(spentMs() < 2000);
});

/** What a pattern matches, by trying everything; the pattern is well-formed. */
function matchesSlowly(pattern: string, name: string): boolean {
  if (pattern === "") return name === "";
  if (pattern.startsWith("*")) {
    if (matchesSlowly(pattern.slice(1), name)) return true;
    return name !== "" && !name.startsWith("/") && matchesSlowly(pattern, name.slice(1));
  }
  const [, atom = "", body] = /^(\[(.[^\]]*)\]|\\.|.)/s.exec(pattern) ?? [];
  if (name === "") return false;
  const first = name.charAt(0);
  const isMatch = atom === "?"
    ? first !== "/"
    : body !== undefined
    ? first !== "/" && (body.startsWith("^") ? !body.includes(first) : body.includes(first))
    : atom.at(-1) === first;
  return isMatch && matchesSlowly(pattern.slice(atom.length), name.slice(1));
}

test("matchesGlob() says what trying everything says, for random patterns and names", () => {
  const random = new Random(7);
  const pick = (from: readonly string[], most: number) =>
    Array.from({ length: random.next(most + 1) }, () => from[random.next(from.length)]).join("");
  let matched = 0;
  for (let round = 0; round < 20_000; round++) {
    const pattern = pick(["a", "b", "/", "*", "*", "*", "?", "[ab]", "[^a]", "[/a]", "\\*", "\\a", "\\/"], 7);
    const name = pick(["a", "a", "b", "b", "/", "*"], 8);
    const matches = matchesSlowly(pattern, name);
    assert.equal(matchesGlob(pattern, name), matches, `${pattern} and ${name}`);
    if (matches) matched++;
  }
  assert.ok(matched > 500, `${matched} matched`);
});

test("settingsOf() applies the most specific key, and only that", async () => {
  const settings = await readSettings(
    await storeWith(
      "default:\n  immutable: true\nimages:\n  dev/*:\n    immutable: false\n  dev/app:\n    immutable: true\n  dev/a*:\n    lifecycle:\n      keep_last: 3\n",
    ),
  );
  assert.equal(settingsOf(settings, "prod/app").immutable, true);
  assert.equal(settingsOf(settings, "dev/x").immutable, false);
  assert.equal(settingsOf(settings, "dev/app").immutable, true);
  assert.equal(
    settingsOf(settings, "dev/abc").immutable,
    true,
    "the longer key wins and says nothing, so the default holds",
  );
});

for (const word of ["yes", "on", "True", "YES"]) {
  test(`readSettings() reads ${word} as true, as older writers mean it`, async () => {
    const settings = await readSettings(await storeWith(`default:\n    immutable: ${word}\n`));
    assert.equal(settings.default.immutable, true);
  });
}

for (const text of ["", "# nothing\n", "default:\n", "images:\n", "unknown: [1]\n"]) {
  test(`readSettings() takes ${JSON.stringify(text)} for no settings`, async () => {
    assert.equal(settingsOf(await readSettings(await storeWith(text)), "app").immutable, undefined);
  });
}

for (
  const text of [
    "- a\n",
    "default: 3\n",
    "default:\n  immutable: 'true'\n",
    "images: []\n",
    "a: [\n",
    "chunk_format: x\n",
    "just text\n",
  ]
) {
  test(`readSettings() refuses ${JSON.stringify(text)}, since protection that cannot be read is not none`, async () => {
    await assert.rejects(readSettings(await storeWith(text)), (error) => isImageError(error, "invalid-input"));
  });
}

test("readSettings() is not blown up by aliases", async () => {
  const levels = Array.from(
    { length: 12 },
    (_, level) => `l${level}: &l${level} [${Array(9).fill(level === 0 ? "x" : `*l${level - 1}`).join(", ")}]`,
  );
  await assert.rejects(
    readSettings(await storeWith(`${levels.join("\n")}\n`)),
    (error) => isImageError(error, "invalid-input"),
  );
});

test("stampChunkFormat() writes what the Go tool writes into a bucket without settings", async () => {
  const store = await storeWith();
  await stampChunkFormat(store, 1);
  assert.equal(await textOf(store), "chunk_format: 1\n");
});

test("stampChunkFormat() keeps comments and everything it does not know", async () => {
  const text = "# ours\ndefault:\n    immutable: yes # always\nfuture:\n    - 1\n";
  const store = await storeWith(text);
  await stampChunkFormat(store, 1);
  assert.equal(await textOf(store), `${text}chunk_format: 1\n`);
});

test("stampChunkFormat() loses no update of somebody else at the same time", async () => {
  const store = await storeWith("default: {}\n");
  await Promise.all([1, 1, 1].map((format) => stampChunkFormat(store, format)));
  assert.match(await textOf(store), /^default: \{\}\nchunk_format: 1\n$/);
});
