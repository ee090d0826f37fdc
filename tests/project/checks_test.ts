import assert from "node:assert/strict";
import { docComplaints } from "../../scripts/check_docs.ts";
import { layerComplaints, readImports } from "../../scripts/check_layers.ts";
import { LINE_LIMIT, sizeComplaints } from "../../scripts/check_sizes.ts";
import { textComplaints, withoutComments } from "../../scripts/check_texts.ts";
import { LAYERS, placeOf } from "../../scripts/layers.ts";
import { programFiles, ROOT, sourceFiles } from "../../scripts/source_files.ts";

/** A repository in a temporary folder, with files by path. */
async function planted(files: Readonly<Record<string, string>>, body: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "s3lo-checks-" }));
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(`${root}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, text);
    }
    await body(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** A graph of imports as `readImports` gives it. */
function graph(imports: Readonly<Record<string, readonly string[]>>): Map<string, Set<string>> {
  return new Map(Object.entries(imports).map(([file, targets]) => [file, new Set(targets)]));
}

Deno.test("the program's imports keep to the layers", async () => {
  const imports = await readImports(ROOT);
  assert.ok(imports.size >= (await programFiles(ROOT)).length);
  assert.deepEqual(layerComplaints(imports), []);
});

Deno.test("readImports() sees upward, sideways and circular imports in real files, types and import() included", async () => {
  const files = {
    "src/errors.ts": "export const x = 1;\n",
    "src/oci/a.ts": 'import { b } from "./b.ts";\nexport const a = (): unknown => b;\n',
    "src/oci/b.ts": 'import { a } from "./a.ts";\nexport const b = (): unknown => a;\n',
    "src/http/c.ts": 'import type { D } from "../registry/d.ts";\nexport type C = D;\n',
    "src/registry/d.ts": 'export type D = 1;\nexport const late = () => import("../objects/e.ts");\n',
    "src/objects/e.ts": 'import { x } from "../errors.ts";\nexport const e = x;\n',
    "src/stray/f.ts": "export const f = 1;\n",
  };
  await planted(files, async (root) => {
    assert.deepEqual(layerComplaints(await readImports(root)).sort(), [
      "Circular import: src/oci/a.ts -> src/oci/b.ts -> src/oci/a.ts",
      "src/http/c.ts imports upward: src/registry/d.ts (layer 3 to layer 4)",
      "src/registry/d.ts imports sideways: src/objects/e.ts (layer 4 to layer 4)",
      "src/stray/f.ts is in no layer: put it into a folder that scripts/layers.ts lists",
    ]);
  });
});

Deno.test({
  name: "layerComplaints() lets a file import lower layers, its own folder and what is outside the program",
  permissions: "none",
  fn: () => {
    const imports = {
      "src/oci/a.ts": ["src/errors.ts", "src/oci/b.ts", "deno.json"],
      "src/oci/b.ts": [],
      "main.ts": [],
    };
    assert.deepEqual(layerComplaints(graph(imports)), []);
    const loop = { "src/oci/a.ts": ["src/oci/a.ts"] };
    assert.deepEqual(layerComplaints(graph(loop)), ["Circular import: src/oci/a.ts -> src/oci/a.ts"]);
  },
});

Deno.test({
  name: "placeOf() tells folders with a common beginning apart",
  permissions: "none",
  fn: () => {
    assert.equal(placeOf("src/oci/digest.ts")?.name, "src/oci");
    assert.equal(placeOf("src/ocix/digest.ts"), undefined);
    assert.equal(placeOf("main.ts")?.layer, LAYERS.length - 1);
  },
});

const architecture = new URL("../../docs/architecture.md", import.meta.url);

Deno.test({
  name: "docs/architecture.md lists the layers that the check enforces",
  fn: async () => {
    // A row of the table: | layer | `folder`, `folder` | … |
    const rows = (await Deno.readTextFile(architecture)).matchAll(/^\|\s*(\d+)\s*\|([^|]*)\|/gm);
    const listed = [...rows].flatMap(([, layer, cell]) =>
      [...cell!.matchAll(/`([^`]+?)\/?`/g)].map((name) => `${layer} ${name[1]}`)
    );
    const enforced = LAYERS.flatMap((names, layer) => names.map((name) => `${layer} ${name}`));
    assert.deepEqual(listed.sort(), enforced.sort());
  },
});

Deno.test("no source file is too long", async () => {
  assert.deepEqual(await sizeComplaints(ROOT, await programFiles(ROOT)), []);
});

Deno.test("sizeComplaints() finds the one line too many", async () => {
  const files = {
    "src/full.ts": "// line\n".repeat(LINE_LIMIT),
    "src/over.ts": "// line\n".repeat(LINE_LIMIT + 1),
  };
  await planted(files, async (root) => {
    assert.deepEqual(await sizeComplaints(root, await sourceFiles(root, "src")), [
      `src/over.ts has ${LINE_LIMIT + 1} lines, the limit is ${LINE_LIMIT}: split it`,
    ]);
  });
});

Deno.test("the source has none of the texts that the house forbids", async () => {
  const paths = await programFiles(ROOT);
  const files = await Promise.all(
    paths.map(async (path) => ({ path, text: await Deno.readTextFile(`${ROOT}/${path}`) })),
  );
  assert.deepEqual(textComplaints(files), []);
});

const PLANTED_TEXTS: Readonly<Record<string, string>> = {
  "a second builder of blob paths": "const a = `blobs/${x}`;\nconst b = 'blobs/' + x;",
  "a branch on the text of an error": 'if (error.message.includes("404")) retry();',
  "a branch on the text of an error, by expression": "if (/404/.test(error.message)) retry();",
  "console outside the command line": 'console.log("done");',
  "standard error outside the command line": "Deno.stderr.writeSync(bytes);",
  "an exit outside the command line": "Deno.exit(1);",
  "something unfinished": 'throw new Error("Not implemented");',
};

for (const [name, text] of Object.entries(PLANTED_TEXTS)) {
  Deno.test({
    name: `textComplaints() finds ${name}`,
    permissions: "none",
    fn: () => {
      assert.ok(textComplaints([{ path: "src/bucket/x.ts", text }]).length > 0);
      const commented = text.split("\n").map((line) => `// ${line}`).join("\n");
      assert.deepEqual(textComplaints([{ path: "src/bucket/x.ts", text: `/* ${text} */\n${commented}` }]), []);
    },
  });
}

Deno.test({
  name: "textComplaints() allows one builder of blob paths, addresses of registries, and printing by the command line",
  permissions: "none",
  fn: () => {
    const files = [
      { path: "src/oci/digest.ts", text: "return `blobs/${hex}`;" },
      { path: "src/registry/url.ts", text: "return `/v2/${name}/blobs/${digest}`;" },
      { path: "src/cli/print.ts", text: "console.log(1);" },
    ];
    assert.deepEqual(textComplaints(files), []);
  },
});

Deno.test({
  name: "withoutComments() keeps strings, templates and expressions that look like comments",
  permissions: "none",
  fn: () => {
    const kept = 'a("http://x"); b(\'/* no */\'); c(`// no`); d(/["/*]\\//, 4 / 2); e = 6 / 3;';
    assert.equal(withoutComments(`${kept}`), kept);
    assert.equal(withoutComments(`x; // y\n/* z\n */w`), `x;     \n    \n   w`);
  },
});

Deno.test("every exported symbol of the source has a docstring", async () => {
  assert.deepEqual(await docComplaints(ROOT, await programFiles(ROOT)), []);
});

Deno.test("docComplaints() finds exports without a docstring, and only those", async () => {
  const files = {
    "src/a.ts": "/** Told. */\nexport const told = 1;\nexport const untold = 2;\nconst inner = 3;\nexport { inner };\n",
    "src/b.ts": "/** */\nexport function empty(): void {}\nfunction own(): void {}\nown();\n",
  };
  await planted(files, async (root) => {
    const found = await docComplaints(root, await sourceFiles(root, "src"));
    assert.deepEqual(found.map((line) => line.replace(/:\d+:/, "")).sort(), [
      "src/a.ts inner has no docstring",
      "src/a.ts untold has no docstring",
      "src/b.ts empty has no docstring",
    ]);
  });
});
