/**
 * Takes the main protections out of the code, one at a time and in a copy, and checks that a test fails each time.
 *
 *   deno task services -- deno run -A scripts/mutate.ts [PART OF A NAME]
 */
import { ROOT } from "./source_files.ts";

/** One protection: how it is taken out, and the tests that must notice. */
interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly tests: readonly string[];
}

/** The protections that are tried. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a blob's digest is checked before its last bytes are handed out",
    file: "src/bytes/verified_reader.ts",
    from: "if (hasher.digest() !== ",
    to: "if (false && hasher.digest() !== ",
    tests: ["tests/image"],
  },
  {
    name: "a stream that is sent while it is read holds its last byte back",
    file: "src/bytes/exact_reader.ts",
    from: 'if (await readByte() !== undefined) throw wrong("more");',
    to: "",
    tests: ["tests/bytes/exact_reader_test.ts", "tests/engine/daemon_raw_layer_test.ts"],
  },
  {
    name: "only a stream whose digest the server checks is sent while it is read",
    file: "src/objects/s3_writer.ts",
    from: 'if (habit.checksum !== "amz") return false;',
    to: "",
    tests: ["tests/objects/s3_faults_test.ts", "tests/objects/s3_traps_test.ts"],
  },
  {
    name: "a manifest's digest is checked",
    file: "src/oci/manifest.ts",
    from: "const wantedDigest = expected?.digest ?? options.digest;",
    to: "const wantedDigest = undefined as Digest | undefined;",
    tests: ["tests/oci/manifest_test.ts"],
  },
  {
    name: "child manifests are written before the root",
    file: "src/image/copy_image.ts",
    from: "await writeManifests(target, children.filter(unwritten), options);",
    to: "void writeManifests; void unwritten;",
    tests: ["tests/image"],
  },
  {
    name: "a file's bytes are safe before it gets its name",
    file: "src/objects/local_temp.ts",
    from: "await this.#opened().syncData();",
    to: "",
    tests: ["tests/crash/power_cut_test.ts"],
  },
  {
    name: "a large blob's bytes are safe before it gets its name",
    file: "src/bytes/partial_file.ts",
    from: "await this.#file.syncData();",
    to: "",
    tests: ["tests/crash/power_cut_test.ts"],
  },
  {
    name: "a file's name is safe before a tag names it",
    file: "src/objects/local_folders.ts",
    from: "return await syncFolder(store.pathOf(folder));",
    to: "return;",
    tests: ["tests/crash/power_cut_test.ts"],
  },
  {
    name: "an archive's name is safe when the command is done",
    file: "src/archive/archive_output.ts",
    from: "await syncFolder(",
    to: "void syncFolder; void (",
    tests: ["tests/crash/power_cut_test.ts"],
  },
  {
    name: "no folder of a store is followed through a link",
    file: "src/bytes/guarded_folder.ts",
    from: "if (!lookAt(this.pathOf(folder))?.isSymlink) return;",
    to: "return;",
    tests: ["tests/hostile/received_store_test.ts"],
  },
  {
    name: "a link is no blob of a store that is written to",
    file: "src/objects/local_list.ts",
    from: "if (!followsFiles) return undefined;",
    to: "",
    tests: ["tests/objects/linked_blobs_test.ts"],
  },
  {
    name: "a protected tag is written under a condition",
    file: "src/bucket/tag_writer.ts",
    from: "await this.#store.writeTag(image, tag, root, this.#condition);",
    to: "await this.#store.writeTag(image, tag, root);",
    tests: ["tests/concurrency"],
  },
  {
    name: "servers are tried before conditions are relied on",
    file: "src/objects/heeds_conditions.ts",
    from: "if (store.isConditional) return true;",
    to: "if (store) return true;",
    tests: ["tests/concurrency"],
  },
  {
    name: "a changed index is written only over what was read",
    file: "src/bucket/tag_writer.ts",
    from: "if (condition) return await this.#store.writeTag(image, tag, root, condition);",
    to: "if (condition) return await this.#store.writeTag(image, tag, root);",
    tests: ["tests/hazards/h14_lost_updates_test.ts", "tests/cli/index_test.ts"],
  },
  {
    name: "s3lo.yaml is written only over what was read",
    file: "src/bucket/settings.ts",
    from: "{ condition: found ? { etag: found.etag } : { absent: true } }",
    to: "{}",
    tests: ["tests/concurrency", "tests/bucket/settings_test.ts"],
  },
  {
    name: "parts that are stored are compared with the source",
    file: "src/objects/s3_resume.ts",
    from: "if (part?.sizeBytes !== bytes.byteLength) return false;",
    to: "if (part) return true; else return false;",
    tests: ["tests/resume/wrong_remains_test.ts"],
  },
  {
    name: "a stored part is taken for ours only where it is proven",
    file: "src/objects/s3_resume.ts",
    from: 'return part.etag.replaceAll(\'"\', "").toLowerCase() === createHash("md5").update(bytes).digest("hex");',
    to: "void createHash; return true;",
    tests: ["tests/objects/s3_planted_upload_test.ts"],
  },
  {
    name: "what a server copies has the size that it must have",
    file: "src/objects/s3_copy.ts",
    from: "if (found.sizeBytes !== source.sizeBytes) {",
    to: "if (found.sizeBytes === -1) {",
    tests: ["tests/objects/s3_damaged_copy_test.ts"],
  },
  {
    name: "what a server copies has the SHA-256 that its name says",
    file: "src/objects/s3_copy.ts",
    from: "if (sha256 !== undefined && wanted && sha256 !== wanted) {",
    to: "if (sha256 === null && wanted) {",
    tests: ["tests/objects/s3_damaged_copy_test.ts"],
  },
  {
    name: "an answer that is none of an S3 server's is refused",
    file: "src/objects/s3_answer.ts",
    from: "if (foreign) throw foreignError(foreign);",
    to: "void foreign; void foreignError;",
    tests: ["tests/objects/s3_foreign_test.ts"],
  },
  {
    name: "bytes without a checksum are signed over plain http",
    file: "src/objects/s3_habits.ts",
    from: ": sha256Hex(body);",
    to: ": UNSIGNED_PAYLOAD;",
    tests: ["tests/objects/s3_plain_http_test.ts"],
  },
  {
    name: "stored parts are looked for",
    file: "src/objects/s3_resume.ts",
    from: ".slice(0, MAX_LOOKED_INTO)",
    to: ".slice(0, 0)",
    tests: ["tests/resume/killed_run_test.ts"],
  },
  {
    name: "what a killed run left is checked with the rest",
    file: "src/bytes/partial_file.ts",
    from: 'if (!isImageError(error, "digest-mismatch")) throw error;',
    to: "throw error;",
    tests: ["tests/resume/wrong_remains_test.ts"],
  },
  {
    name: "a broken read spares what was read before",
    file: "src/image/resuming_reader.ts",
    from: "if (into.byteOffset === 0) return await reader.read(into);",
    to: "if (into) return await reader.read(into);",
    tests: ["tests/image/resuming_reader_test.ts"],
  },
  {
    name: "an answer is kept while its body is read",
    file: "src/http/fetch_clients.ts",
    from: "{ ...streamReader(body), response }",
    to: "streamReader(body)",
    tests: ["tests/http/collected_answer_test.ts"],
  },
  {
    name: "a download that breaks goes on",
    file: "src/image/resuming_reader.ts",
    from: "++failures >= Math.min(tries, triesWorth(error))",
    to: "++failures >= 1",
    tests: ["tests/image"],
  },
  {
    name: "authorization stays with the registry",
    file: "src/registry/connection.ts",
    from: "new URL(url).origin === origin ? authorization : undefined);",
    to: "authorization);",
    tests: ["tests/registry/reading_traps_test.ts", "tests/secrets"],
  },
  {
    name: "one password goes to one registry",
    file: "src/transports/sides.ts",
    from: "if (hostOf(owner.registry) === hostOf(registry)) return;",
    to: "return;",
    tests: ["tests/cli/sides_test.ts"],
  },
  {
    name: "tags and uploads do not follow a registry to plain http",
    file: "src/registry/connection.ts",
    from: 'if (isChecked && method === "GET") return;',
    to: "return;",
    tests: ["tests/registry/plain_http_test.ts"],
  },
  {
    name: "a stopped upload is given back",
    file: "src/registry/upload_session.ts",
    from: "AbortSignal.timeout(isStopped ? STOPPED_CANCEL_MS : CANCEL_MS)",
    to: "repository.connection.retry.signal",
    tests: ["tests/signals/registry_upload_test.ts"],
  },
  {
    name: "a token server must speak TLS",
    file: "src/registry/token_client.ts",
    from: "  checkRealm(request);",
    to: "  void checkRealm;",
    tests: ["tests/registry/answers_test.ts"],
  },
  {
    name: "addresses are shown without what is secret in them",
    file: "src/http/describe.ts",
    from: ".filter(([key]) => HARMLESS_QUERY.has(key))",
    to: ".filter(([key]) => HARMLESS_QUERY.has(key) || key)",
    tests: ["tests/secrets", "tests/http/client_test.ts"],
  },
  {
    name: "small documents have a largest size",
    file: "src/bytes/blob_reader.ts",
    from: "if (total > maxBytes) {",
    to: "if (total > 2 ** 40) {",
    tests: ["tests/hostile", "tests/bytes/blob_reader_test.ts"],
  },
  {
    name: "keys cannot leave a store",
    file: "src/objects/keys.ts",
    from: 'part === "." || part === ".."',
    to: "false",
    tests: ["tests/objects/local_store_test.ts"],
  },
  {
    name: "documents are escaped for terminals",
    file: "src/cli/render.ts",
    from: "printableLines(JSON.stringify(data, null, 2))",
    to: "JSON.stringify(data, null, 2)",
    tests: ["tests/hostile"],
  },
  {
    name: "a signal stops the work",
    file: "src/cli/main.ts",
    from: 'this.#controller.abort(new ImageError("aborted", "Stopped"));',
    to: "",
    tests: ["tests/signals"],
  },
  {
    name: "a recipe is checked against the layer that it is for",
    file: "src/bucket/recipe.ts",
    from: "throw ",
    to: "void ",
    tests: ["tests/hazards/h04_forged_recipe_test.ts", "tests/bucket/chunk_recipe_test.ts"],
  },
];

const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

/** Whether a test fails with the protection gone; undefined when it could not be taken out. */
async function isNoticed(folder: string, mutation: Mutation): Promise<boolean | undefined> {
  const path = `${folder}/${mutation.file}`;
  const source = await Deno.readTextFile(path);
  if (!source.includes(mutation.from)) return undefined;
  await Deno.writeTextFile(path, source.replace(mutation.from, () => mutation.to));
  try {
    const args = ["test", "-A", "--no-check", "--fail-fast", ...mutation.tests];
    const run = await new Deno.Command(Deno.execPath(), { args, cwd: folder, stdout: "null", stderr: "null" }).output();
    return !run.success;
  } finally {
    await Deno.writeTextFile(path, source);
  }
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-mutate-" });
  let missed = 0;
  try {
    const clone = await new Deno.Command("git", { args: ["clone", "--quiet", "--shared", ROOT, folder] }).output();
    if (!clone.success) throw new Error("Cannot copy the repository");
    for (const mutation of MUTATIONS.filter(({ name }) => name.includes(Deno.args[0] ?? ""))) {
      const noticed = await isNoticed(folder, mutation);
      if (!noticed) missed++;
      print(`${noticed === undefined ? "NOT FOUND" : noticed ? "noticed" : "MISSED"}: ${mutation.name}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  Deno.exit(missed > 0 ? 1 : 0);
}
