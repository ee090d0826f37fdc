import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ROOT } from "../../scripts/source_files.ts";
import { programTest } from "../support/services.ts";
import { tempFolder } from "../cli/places.ts";

const SCRIPT = `${ROOT}/scripts/install.sh`;
const PROGRAM = '#!/bin/sh\necho "s3lo 9.9.9"\n';

/** The files of a release for every system that the script may find. */
function releaseFiles(program = PROGRAM): Map<string, string> {
  const names = ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"].map((target) => `s3lo_${target}`);
  const sum = createHash("sha256").update(PROGRAM).digest("hex");
  return new Map([
    ...names.map((name) => [name, program] as const),
    ["SHA256SUMS", names.map((name) => `${sum}  ${name}\n`).join("")],
  ]);
}

/** A machine to install on: a folder for the user, one for `uname` and others that say what a test wants. */
async function machine(folder: string, commands: Readonly<Record<string, string>> = {}) {
  await Deno.mkdir(`${folder}/bin`, { recursive: true });
  for (const [name, body] of Object.entries(commands)) {
    await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return async (env: Readonly<Record<string, string>>) => {
    const { code, stderr } = await new Deno.Command("sh", {
      args: [SCRIPT],
      clearEnv: true,
      env: {
        HOME: folder,
        PATH: `${folder}/bin:/usr/bin:/bin`,
        TMPDIR: folder,
        S3LO_INSTALL_DIR: `${folder}/to`,
        ...env,
      },
    }).output();
    return { code, said: new TextDecoder().decode(stderr) };
  };
}

/** A web server for the files of a release, as the releases page lays them out. */
function releaseServer(
  files: ReadonlyMap<string, string>,
): AsyncDisposable & { readonly url: string; paths: string[] } {
  const paths: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    paths.push(pathname);
    const content = files.get(pathname.split("/").at(-1)!);
    return content === undefined ? new Response("no such file", { status: 404 }) : new Response(content);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/releases`,
    paths,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function entries(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch {
    return [];
  }
}

const onUnix = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: `install.sh ${name}`, ignore: Deno.build.os === "windows", fn });

onUnix("downloads the executable of this machine, checks it, and installs it", async () => {
  await using folder = await tempFolder();
  await using server = releaseServer(releaseFiles());
  const install = await machine(folder.path);
  const { code, said } = await install({ S3LO_DOWNLOAD: server.url });
  assert.equal(code, 0, said);
  assert.match(said, /Installed s3lo 9\.9\.9 as .*\/to\/s3lo/);
  assert.match(said, /Add .*\/to to your PATH/);
  assert.deepEqual(await entries(`${folder.path}/to`), ["s3lo"]);
  assert.equal(await Deno.readTextFile(`${folder.path}/to/s3lo`), PROGRAM);
  assert.equal((await Deno.stat(`${folder.path}/to/s3lo`)).mode! & 0o777, 0o755);
  assert.ok(server.paths.every((path) => path.startsWith("/releases/latest/download/")), server.paths.join(" "));
  assert.deepEqual((await entries(folder.path)).sort(), ["bin", "to"]);
});

onUnix("takes the release that S3LO_VERSION names, with and without its v", async () => {
  await using server = releaseServer(releaseFiles());
  for (const version of ["0.2.0", "v0.2.0"]) {
    await using folder = await tempFolder();
    const install = await machine(folder.path);
    assert.equal((await install({ S3LO_DOWNLOAD: server.url, S3LO_VERSION: version })).code, 0);
  }
  assert.deepEqual([...new Set(server.paths.map((path) => path.replace(/[^/]+$/, "")))], [
    "/releases/download/v0.2.0/",
  ]);
});

onUnix("refuses a wrong checksum and leaves what was installed before", async () => {
  await using folder = await tempFolder();
  await using server = releaseServer(releaseFiles(`${PROGRAM}# changed on the way\n`));
  await Deno.mkdir(`${folder.path}/to`);
  await Deno.writeTextFile(`${folder.path}/to/s3lo`, "older");
  const install = await machine(folder.path);
  const { code, said } = await install({ S3LO_DOWNLOAD: server.url });
  assert.equal(code, 1);
  assert.match(said, /has SHA-256 [0-9a-f]{64}, and the release says [0-9a-f]{64}; nothing was installed/);
  assert.deepEqual(await entries(`${folder.path}/to`), ["s3lo"]);
  assert.equal(await Deno.readTextFile(`${folder.path}/to/s3lo`), "older");
});

onUnix("refuses a release whose checksums do not name the file", async () => {
  await using folder = await tempFolder();
  await using server = releaseServer(new Map([...releaseFiles(), ["SHA256SUMS", "nothing here\n"]]));
  const install = await machine(folder.path);
  const { code, said } = await install({ S3LO_DOWNLOAD: server.url });
  assert.equal(code, 1);
  assert.match(said, /The release has no s3lo for/);
  assert.deepEqual(await entries(`${folder.path}/to`), []);
});

const SYSTEMS: readonly [name: string, commands: Record<string, string>, said: RegExp][] = [
  [
    "an unknown system",
    { uname: "case $1 in -s) echo Plan9 ;; -m) echo x86_64 ;; esac" },
    /There is no s3lo for Plan9/,
  ],
  ["an unknown processor", { uname: "case $1 in -s) echo Linux ;; -m) echo riscv64 ;; esac" }, /linux on riscv64/],
  [
    "a system with musl",
    { uname: "case $1 in -s) echo Linux ;; -m) echo x86_64 ;; esac", ldd: 'echo "musl libc (x86_64)" >&2; exit 1' },
    /needs glibc, and this system has musl/,
  ],
  [
    "Windows",
    { uname: "case $1 in -s) echo MINGW64_NT-10.0 ;; -m) echo x86_64 ;; esac" },
    /does not install on Windows/,
  ],
];
for (const [name, commands, expected] of SYSTEMS) {
  onUnix(`says what is the matter on ${name}, and installs nothing`, async () => {
    await using folder = await tempFolder();
    await using server = releaseServer(releaseFiles());
    const install = await machine(folder.path, commands);
    const { code, said } = await install({ S3LO_DOWNLOAD: server.url });
    assert.equal(code, 1);
    assert.match(said, expected);
    assert.deepEqual(await entries(`${folder.path}/to`), []);
    assert.deepEqual(server.paths, []);
  });
}

onUnix("takes the build for Apple silicon under Rosetta", async () => {
  await using folder = await tempFolder();
  await using server = releaseServer(releaseFiles());
  const uname = "case $1 in -s) echo Darwin ;; -m) echo x86_64 ;; esac";
  const install = await machine(folder.path, { uname, sysctl: "echo 1" });
  const { code, said } = await install({ S3LO_DOWNLOAD: server.url });
  assert.equal(code, 0, said);
  assert.match(said, /Rosetta/);
  assert.ok(server.paths.at(-1)!.endsWith("/s3lo_darwin_arm64"));
});

onUnix("says that it may not write, and what to do", async () => {
  await using folder = await tempFolder();
  await using server = releaseServer(releaseFiles());
  await Deno.writeTextFile(`${folder.path}/file`, ""); // nobody can make a folder below a file, not even root
  const install = await machine(folder.path);
  const { code, said } = await install({ S3LO_DOWNLOAD: server.url, S3LO_INSTALL_DIR: `${folder.path}/file/bin` });
  assert.equal(code, 1);
  assert.match(said, /Cannot write to .*\/file\/bin\n\s+Name a folder of your own in S3LO_INSTALL_DIR/);
  assert.deepEqual(server.paths, []);
});

onUnix("installs from a local folder without a network", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(`${folder.path}/media`);
  for (const [name, content] of releaseFiles()) await Deno.writeTextFile(`${folder.path}/media/${name}`, content);
  const install = await machine(folder.path, { curl: "echo network! >&2; exit 1", wget: "echo network! >&2; exit 1" });
  const { code, said } = await install({ S3LO_DOWNLOAD: `${folder.path}/media` });
  assert.equal(code, 0, said);
  assert.equal(await Deno.readTextFile(`${folder.path}/to/s3lo`), PROGRAM);
  const missing = await install({ S3LO_DOWNLOAD: `${folder.path}/nowhere` });
  assert.equal(missing.code, 1);
  assert.match(missing.said, /There is no folder/);
});

programTest("install.sh is clean for shellcheck", ["shellcheck"], async ([shellcheck = ""]) => {
  const { success, stdout } = await new Deno.Command(shellcheck, { args: [SCRIPT] }).output();
  assert.ok(success, new TextDecoder().decode(stdout));
});
