import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { ENTRY, makeBundle } from "../../scripts/compile/bundle.ts";
import { compileArguments } from "../../scripts/compile/executable.ts";
import { TARGETS } from "../../scripts/compile/targets.ts";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { singleImage } from "../support/images.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { oddS3 } from "../objects/odd_s3_server.ts";

const BUILD = {
  commit: "0123456789abcdef0123456789abcdef01234567",
  epoch: 1_700_000_000,
  date: "2023-11-14T22:13:20Z",
};

Deno.test("the bundle is complete, starts small, is the same twice, and runs local work without the AWS SDK", async (t) => {
  await using work = await tempFolder();
  const folder = `${work.path}/bundle`;
  await makeBundle(folder, BUILD);
  const files = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);

  await t.step("it imports the runtime's modules and nothing else", async () => {
    const outside = await outsideImports(folder);
    assert.ok(outside.includes("node:zlib") && outside.includes("node:util"), outside.join(" "));
    assert.deepEqual(outside.filter((module) => !module.startsWith("node:")), []);
  });

  await t.step("what is loaded lazily has the names that are taken from it, from CommonJS packages too", async () => {
    const modules = new Map<string, object>();
    let names = 0;
    for (const file of files) {
      const text = await Deno.readTextFile(`${folder}/${file}`);
      const lazily = /import\("\.\/([\w.-]+)"\)(\.then\(m=>\(\{\.\.\.m\.default,default:m\.default\}\)\))?/.source;
      const taken = [
        ...[...text.matchAll(new RegExp(`\\{([^{}]*)\\}=await ${lazily}`, "g"))].map((
          [, list = "", from = "", mended],
        ) => ({ wanted: list.split(",").map((each) => each.split(":")[0]!.trim()), from, mended })),
        ...[...text.matchAll(new RegExp(`await ${lazily}\\)\\.(\\w+)`, "g"))].map((
          [, from = "", mended, name = ""],
        ) => ({ wanted: [name], from, mended })),
      ];
      for (const { wanted, from, mended } of taken) {
        const module = modules.get(from) ??
          await import(pathToFileURL(`${folder}/${from}`).href) as { default?: object };
        modules.set(from, module);
        const exported = mended ? (module as { default: object }).default : module;
        for (const name of wanted) assert.ok(name in exported, `${file} takes ${name} from ${from}`);
        names += wanted.length;
      }
    }
    assert.ok(names > 20, `${names} names`);
  });

  await t.step("what threads run is there under the names that the program uses", async () => {
    const named = new Set<string>();
    for (const file of files) {
      const text = await Deno.readTextFile(`${folder}/${file}`);
      for (const [, name = ""] of text.matchAll(/new URL\("\.\/([\w.]+)",import\.meta\.url\)/g)) named.add(name);
    }
    assert.ok(named.size > 0);
    for (const name of named) assert.ok(files.includes(name), name);
  });

  await t.step("what every start parses is under 96 KB", async () => {
    let bytes = 0;
    for (const file of await staticFiles(folder)) bytes += (await Deno.stat(`${folder}/${file}`)).size;
    assert.ok(bytes > 10_000 && bytes < 96 * 1024, `${bytes} bytes`);
  });

  await t.step("every file has the build's time", async () => {
    for (const file of files) {
      assert.equal((await Deno.stat(`${folder}/${file}`)).mtime?.getTime(), BUILD.epoch * 1000, file);
    }
  });

  await t.step("a second bundle has the same files with the same bytes", async () => {
    const again = `${work.path}/again`;
    await makeBundle(again, BUILD);
    assert.deepEqual((await Array.fromAsync(Deno.readDir(again))).map(({ name }) => name).sort(), files.toSorted());
    for (const file of files) {
      assert.deepEqual(await Deno.readFile(`${again}/${file}`), await Deno.readFile(`${folder}/${file}`), file);
    }
  });

  const runWith = async (env: Record<string, string>, ...args: string[]) => {
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-check", ...permissionFlags(), `${folder}/main.js`, ...args],
      env: { NO_COLOR: "1", ...env },
    }).output();
    const decoder = new TextDecoder();
    return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
  };

  const run = (...args: string[]) => runWith({}, ...args);

  await t.step("it says where it comes from", async () => {
    const { version, commit, build_date } = JSON.parse((await run("version", "-o", "json")).stdout);
    assert.match(version, /^\d+\.\d+\.\d+/);
    assert.deepEqual({ commit, build_date }, { commit: BUILD.commit, build_date: BUILD.date });
  });

  await t.step(
    "with plain keys inspect, list and copy of a bucket run although the SDK's files are gone",
    async () => {
      let gone = 0;
      // What every start parses knows the names of the packages.
      const atStart = await staticFiles(folder);
      for (const file of files.filter((each) => !atStart.includes(each))) {
        if (!/smithy|SignatureV4/i.test(await Deno.readTextFile(`${folder}/${file}`))) continue;
        await Deno.remove(`${folder}/${file}`);
        gone++;
      }
      assert.ok(gone >= 4, `${gone} files`);
      await using odd = await oddS3();
      await writeStore(`${work.path}/local`, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
      const keys = { AWS_ACCESS_KEY_ID: "AKIAODD", AWS_SECRET_ACCESS_KEY: "very-secret-text" };
      const awsFiles = {
        AWS_CONFIG_FILE: `${work.path}/config`,
        AWS_SHARED_CREDENTIALS_FILE: `${work.path}/credentials`,
      };
      const settings = { AWS_ENDPOINT_URL: odd.server.origin, AWS_EC2_METADATA_DISABLED: "true", ...awsFiles };
      const env = { ...settings, AWS_REGION: "us-east-1", ...keys };
      const copied = await runWith(env, "copy", `local://${work.path}/local//app:v1`, "s3://odd/app:v1");
      assert.equal(copied.code, 0, copied.stderr);
      const inspected = await runWith(env, "inspect", "s3://odd/app:v1", "-o", "json");
      assert.equal(inspected.code, 0, inspected.stderr);
      assert.equal(JSON.parse(inspected.stdout).is_index, false);
      assert.equal((await runWith(env, "list", "s3://odd")).stdout, "app:v1\n");
      // A profile's own keys and region need it as little.
      await Deno.writeTextFile(awsFiles.AWS_CONFIG_FILE, "[profile mine]\nregion = eu-west-1\n");
      await Deno.writeTextFile(
        awsFiles.AWS_SHARED_CREDENTIALS_FILE,
        "[mine]\naws_access_key_id = AKIAMINE\naws_secret_access_key = very-secret-text\n",
      );
      const listed = await runWith({ ...env, AWS_REGION: "", AWS_PROFILE: "mine" }, "list", "s3://odd");
      assert.equal(listed.stdout, "app:v1\n", listed.stderr);
      assert.match(odd.requests.at(-1)?.headers.get("authorization") ?? "", /AKIAMINE\/\d+\/eu-west-1\/s3\//);
      // Every other identity is the SDK's to find: without its files that must fail.
      const other = await runWith({ ...env, AWS_ACCESS_KEY_ID: "" }, "list", "s3://odd");
      assert.equal(other.code, 1);
      assert.match(other.stderr, /Module not found|Cannot find module|bug in s3lo/);
    },
  );

  await t.step("inspect and list of a local store run although the files of the SDK and of YAML are gone", async () => {
    await writeStore(`${work.path}/store`, "app", "v1", singleImage({ os: "linux", architecture: "amd64" }));
    // What every start parses knows the names of S3's headers, since it keeps some of them out of all messages.
    const atStart = await staticFiles(folder);
    for (const file of files.filter((each) => !atStart.includes(each))) {
      const text = await Deno.readTextFile(`${folder}/${file}`).catch(() => ""); // gone already
      if (/x-amz-|tag:yaml\.org|SignatureV4/.test(text)) await Deno.remove(`${folder}/${file}`);
    }
    const reference = `local://${work.path}/store//app:v1`;
    const inspected = await run("inspect", reference, "-o", "json");
    assert.equal(inspected.code, 0, inspected.stderr);
    assert.equal(JSON.parse(inspected.stdout).is_index, false);
    assert.equal((await run("list", `local://${work.path}/store`)).stdout, "app:v1\n");
    // The files that went are those that S3 needs: without them it must fail.
    const remote = await run("inspect", "s3://bucket/app:v1");
    assert.equal(remote.code, 1);
    assert.match(remote.stderr, /Module not found|Cannot find module|bug in s3lo/);
  });
});

Deno.test("every target is compiled with its permissions, without questions, and without a cache in a shared folder", () => {
  for (const target of TARGETS) {
    const args = compileArguments(target, "out");
    assert.ok(args.includes("--no-prompt") && args.includes("--no-code-cache"), args.join(" "));
    assert.equal(args.filter((arg) => /^(-A|--allow-all|--allow-ffi)/.test(arg)).length, 0);
    const run = args.find((arg) => arg.startsWith("--allow-run"));
    assert.match(run ?? "", target.os === "windows" ? /,cmd\.exe$/ : /,\/bin\/sh$/);
    assert.doesNotMatch(run ?? "", target.os === "windows" ? /\/bin\/sh/ : /cmd\.exe/);
  }
});

/** The files of a bundle that an entry loads at once (not what it imports lazily), entry first. */
async function staticFiles(folder: string, entry = ENTRY): Promise<readonly string[]> {
  const found = new Set([entry]);
  for (const file of found) {
    const text = await Deno.readTextFile(`${folder}/${file}`);
    for (const [, name] of text.matchAll(/(?:\bfrom|\bimport)\s*"\.\/([\w.-]+\.js)"/g)) found.add(name!);
  }
  return [...found];
}

/** What the files of a bundle import that is not of the bundle, sorted. */
async function outsideImports(folder: string): Promise<readonly string[]> {
  const found = new Set<string>();
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    for (const [, module] of text.matchAll(/(?:^|[;}\n])import[^"'();]*?"([^"]+)"/g)) found.add(module!);
    for (const [, module] of text.matchAll(/\bimport\("([^"]+)"\)/g)) found.add(module!);
  }
  return [...found].filter((module) => !module.startsWith("./")).sort();
}
