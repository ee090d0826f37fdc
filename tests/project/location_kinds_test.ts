/** A kind of place that is added must be answered for everywhere, and text becomes a place at the edge alone. */
import assert from "node:assert/strict";
import { ROOT, sourceFiles } from "../../scripts/source_files.ts";

/** Where the compiler asks for an answer: the file, and the function or constant. */
const QUESTIONS = [
  "src/oci/collection.ts parseLoadTarget",
  "src/oci/location.ts SCHEMES",
  "src/oci/location.ts access",
  "src/oci/location.ts isInRepository",
  "src/oci/location.ts label",
  "src/oci/location.ts parseLocation",
  "src/transports/open.ts openSource",
  "src/transports/open.ts openTarget",
  "src/transports/open_bundle.ts bundleNameOf",
];

const UNION = "export type Location =\n";
const PLANTED =
  `${UNION}  | { readonly kind: "gs"; readonly bucket: string; readonly image: string; readonly text: string }\n`;

/** Files that make places of text: the command line, the library, the grammar itself, and the list of a bundle's images. */
const EDGE = /^src\/(?:cli\/|api\.ts$|oci\/|archive\/bundle_names\.ts$)/;
const PARSERS = /\b(?:parse\w*(?:Location|Collection)|parseLoadTarget|schemeOf)\(/;

Deno.test("a kind of place that has no answer to every question does not compile", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const path of await sourceFiles(ROOT, "src")) {
      await Deno.mkdir(`${folder}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      await Deno.copyFile(`${ROOT}/${path}`, `${folder}/${path}`);
    }
    for (const path of ["deno.json", "deno.lock", "main.ts"]) {
      await Deno.copyFile(`${ROOT}/${path}`, `${folder}/${path}`);
    }
    const source = await Deno.readTextFile(`${folder}/src/oci/location.ts`);
    assert.equal(source.split(UNION).length, 2, "the union is where this test looks for it");
    await Deno.writeTextFile(`${folder}/src/oci/location.ts`, source.replace(UNION, PLANTED));
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "main.ts", "src/api.ts"],
      cwd: folder,
      env: { NO_COLOR: "1" },
      stdout: "null",
    }).output();
    assert.notEqual(code, 0);
    const places = [...new TextDecoder().decode(stderr).matchAll(/ at file:\/\/\S*\/(src\/\S+?):(\d+):\d+/g)];
    const asked = await Promise.all(places.map(([, path = "", line]) => nameAt(folder, path, Number(line))));
    // The table of schemes is read in one more place, which complains of what the table lacks.
    const own = new Set(asked.filter((place) => place !== "src/oci/location.ts schemeOf"));
    assert.deepEqual([...own].sort(), QUESTIONS);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("text becomes a place at the edge, and nowhere behind it", async () => {
  const makers: string[] = [];
  for (const path of await sourceFiles(ROOT, "src")) {
    if (PARSERS.test(await Deno.readTextFile(`${ROOT}/${path}`))) makers.push(path);
  }
  assert.ok(makers.includes("src/api.ts") && makers.includes("src/cli/commands/copy.ts"), "the pattern finds them");
  assert.deepEqual(makers.filter((path) => !EDGE.test(path)), []);
});

/** The function or constant that a line belongs to. */
async function nameAt(folder: string, path: string, line: number): Promise<string> {
  const lines = (await Deno.readTextFile(`${folder}/${path}`)).split("\n").slice(0, line);
  const opening = lines.findLast((each) => /^(?:export )?(?:async )?(?:function|const) /.test(each)) ?? "";
  return `${path} ${/(?:function|const) (\w+)/.exec(opening)?.[1]}`;
}
