import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { tarGz } from "../../scripts/compile/archives.ts";
import { ROOT } from "../../scripts/source_files.ts";
import { certificatesExpected, makeCertificate } from "../support/certificates.ts";
import { programPath, programTest } from "../support/services.ts";
import { tempFolder } from "../cli/places.ts";

const SCRIPT = `${ROOT}/scripts/install.sh`;
const PROGRAM = '#!/bin/sh\necho "s3lo 9.9.9"\n';
const LICENCE = { name: "LICENSE", bytes: new TextEncoder().encode("as is"), mode: 0o644 };

/** An archive as releases have it. */
function archiveOf(program: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(program);
  return new Uint8Array(tarGz([{ name: "s3lo", bytes, mode: 0o755 }, LICENCE], 1_700_000_000));
}

/** The files of a release for every system that the script may find; `program` in place of the one of the checksums. */
function releaseFiles(program = PROGRAM): Map<string, Uint8Array<ArrayBuffer>> {
  const names = ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"].map((target) => `s3lo_${target}.tar.gz`);
  const sum = createHash("sha256").update(archiveOf(PROGRAM)).digest("hex");
  return new Map([
    ...names.map((name) => [name, archiveOf(program)] as const),
    ["SHA256SUMS", new TextEncoder().encode(names.map((name) => `${sum}  ${name}\n`).join(""))],
  ]);
}

/** A machine to install on: a folder for the user, one for `uname` and others that say what a test wants. */
async function machine(folder: string, commands: Readonly<Record<string, string>> = {}) {
  await Deno.mkdir(`${folder}/bin`, { recursive: true });
  for (const [name, body] of Object.entries(commands)) {
    await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return async (env: Readonly<Record<string, string>>, ...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(programPath("sh") ?? "sh", {
      args: [SCRIPT, ...args],
      clearEnv: true,
      env: {
        HOME: folder,
        PATH: `${folder}/bin:/usr/bin:/bin`,
        TMPDIR: folder,
        S3LO_INSTALL_DIR: `${folder}/to`,
        ...env,
      },
    }).output();
    return { code, said: new TextDecoder().decode(stderr), printed: new TextDecoder().decode(stdout) };
  };
}

/** A web server for the files of a release, as the releases page lays them out. */
function releaseServer(
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
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

const onUnix = (name: string, fn: (t: Deno.TestContext) => Promise<void>) =>
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
  for (const version of ["9.9.9", "v9.9.9"]) {
    await using folder = await tempFolder();
    const install = await machine(folder.path);
    assert.equal((await install({ S3LO_DOWNLOAD: server.url, S3LO_VERSION: version })).code, 0);
  }
  assert.deepEqual([...new Set(server.paths.map((path) => path.replace(/[^/]+$/, "")))], [
    "/releases/download/v9.9.9/",
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
  await using server = releaseServer(
    new Map([...releaseFiles(), ["SHA256SUMS", new TextEncoder().encode("nothing here\n")]]),
  );
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
  assert.ok(server.paths.at(-1)!.endsWith("/s3lo_darwin_arm64.tar.gz"));
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
  for (const [name, content] of releaseFiles()) await Deno.writeFile(`${folder.path}/media/${name}`, content);
  const install = await machine(folder.path, { curl: "echo network! >&2; exit 1", wget: "echo network! >&2; exit 1" });
  const { code, said } = await install({ S3LO_DOWNLOAD: `${folder.path}/media` });
  assert.equal(code, 0, said);
  assert.equal(await Deno.readTextFile(`${folder.path}/to/s3lo`), PROGRAM);
  const missing = await install({ S3LO_DOWNLOAD: `${folder.path}/nowhere` });
  assert.equal(missing.code, 1);
  assert.match(missing.said, /There is no folder/);
});

onUnix("refuses a folder that holds another version than the one asked for", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(`${folder.path}/media`);
  for (const [name, content] of releaseFiles()) await Deno.writeFile(`${folder.path}/media/${name}`, content);
  const install = await machine(folder.path);
  const other = await install({ S3LO_DOWNLOAD: `${folder.path}/media`, S3LO_VERSION: "v9.9.8" });
  assert.equal(other.code, 1);
  assert.match(other.said, /holds s3lo 9\.9\.9, not s3lo 9\.9\.8; nothing was installed/);
  assert.deepEqual(await entries(`${folder.path}/to`), []);
  assert.equal((await install({ S3LO_DOWNLOAD: `${folder.path}/media` }, "v9.9.9")).code, 0);
});

onUnix("understands its arguments", async (t) => {
  await using folder = await tempFolder();
  await using server = releaseServer(releaseFiles());
  const install = await machine(folder.path);
  const env = { S3LO_DOWNLOAD: server.url };
  await t.step("--help installs nothing", async () => {
    for (const option of ["--help", "-h"]) {
      const { code, printed } = await install(env, option);
      assert.equal(code, 0);
      assert.match(printed, /Usage: install\.sh \[VERSION\]/);
    }
    assert.deepEqual(server.paths, []);
  });
  await t.step("a version goes before S3LO_VERSION", async () => {
    assert.equal((await install({ ...env, S3LO_VERSION: "0.1.0" }, "9.9.9")).code, 0);
    assert.ok(server.paths.every((path) => path.startsWith("/releases/download/v9.9.9/")), server.paths.join(" "));
  });
  await t.step("--uninstall removes what was installed, and says so where there is nothing", async () => {
    assert.equal((await install(env, "--uninstall")).code, 0);
    assert.deepEqual(await entries(`${folder.path}/to`), []);
    const again = await install(env, "--uninstall");
    assert.equal(again.code, 1);
    assert.match(again.said, /There is no .*\/to\/s3lo/);
  });
  await t.step("what it does not know is refused", async () => {
    const asked = server.paths.length;
    for (const args of [["--frce"], ["v1", "v2"], ["v1/../../evil"], ["a b"]]) {
      assert.equal((await install(env, ...args)).code, 1, args.join(" "));
    }
    assert.equal(server.paths.length, asked);
  });
});

/** Two servers: one by TLS, which sends everything on to the plain one. */
async function leadingToPlain() {
  const { cert, key, ca } = await makeCertificate();
  const plain = releaseServer(releaseFiles());
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", cert, key, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    return Response.redirect(new URL(pathname, plain.url), 302);
  });
  return {
    url: `https://127.0.0.1:${server.addr.port}/releases`,
    ca,
    plain,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await plain[Symbol.asyncDispose]();
    },
  };
}

Deno.test({
  name: "install.sh is not led from https to http, by curl nor by wget",
  ignore: !certificatesExpected || Deno.build.os === "windows",
  fn: async (t) => {
    for (const program of ["curl", "wget"]) {
      await t.step(program, async () => {
        await using folder = await tempFolder();
        await using site = await leadingToPlain();
        await Deno.writeTextFile(`${folder.path}/ca.pem`, site.ca);
        await Deno.writeTextFile(`${folder.path}/.wgetrc`, `ca_certificate=${folder.path}/ca.pem\n`);
        const install = await machine(folder.path);
        const { code, said } = await install({
          S3LO_DOWNLOAD: site.url,
          CURL_CA_BUNDLE: `${folder.path}/ca.pem`,
          // Without curl the script takes wget.
          ...program === "wget" ? { PATH: await pathWithout("curl", folder.path) } : {},
        });
        assert.equal(code, 1, said);
        assert.deepEqual(site.plain.paths, [], said);
        assert.match(said, program === "wget" ? /which is not https/ : /[Pp]rotocol "?http"?/);
        assert.deepEqual(await entries(`${folder.path}/to`), []);
      });
    }
  },
});

/** A PATH of links to all that the system has but one program. */
async function pathWithout(program: string, folder: string): Promise<string> {
  const script = 'mkdir "$0"; for each in /usr/bin/* /bin/*; do [ "${each##*/}" = "$1" ] || ln -sf "$each" "$0/"; done';
  await new Deno.Command("sh", { args: ["-c", script, `${folder}/path`, program] }).output();
  return `${folder}/bin:${folder}/path`;
}

onUnix("asks gh for the attestation of GitHub's own releases, and installs nothing without one", async (t) => {
  // A stand-in for curl, which gives the files whatever the address, and for gh.
  const curl = 'for last; do :; done; while [ "$1" != --output ]; do shift; done; cp "$MEDIA/${last##*/}" "$2"';
  const gh = 'echo "$*" >> "$HOME/asked"; case $1 in auth) exit "$LOGGED_IN" ;; *) exit "$ATTESTED" ;; esac';
  const cases = [["0", "0", 0], ["0", "1", 1], ["1", "1", 0]] as const;
  for (const [loggedIn, attested, expected] of cases) {
    await t.step(`logged in ${loggedIn}, attested ${attested}`, async () => {
      await using folder = await tempFolder();
      await Deno.mkdir(`${folder.path}/media`);
      for (const [name, content] of releaseFiles()) await Deno.writeFile(`${folder.path}/media/${name}`, content);
      const install = await machine(folder.path, { curl, gh });
      const env = { MEDIA: `${folder.path}/media`, LOGGED_IN: loggedIn, ATTESTED: attested };
      const { code, said } = await install(env);
      assert.equal(code, expected, said);
      const asked = await Deno.readTextFile(`${folder.path}/asked`);
      if (loggedIn === "0") assert.match(asked, /attestation verify .*\.tar\.gz --repo s3lo\/s3lo/);
      else assert.doesNotMatch(asked, /attestation/);
      assert.deepEqual(await entries(`${folder.path}/to`), expected === 0 ? ["s3lo"] : []);
      // Another place has none, and is not asked.
      await Deno.remove(`${folder.path}/asked`);
      assert.equal((await install({ ...env, S3LO_DOWNLOAD: `${folder.path}/media` })).code, 0);
      assert.deepEqual((await entries(folder.path)).includes("asked"), false);
    });
  }
});

programTest("the shell scripts of releases are clean for shellcheck", ["shellcheck"], async ([shellcheck = ""]) => {
  const scripts = [SCRIPT, `${ROOT}/scripts/release/publish.sh`, `${ROOT}/scripts/release/push_formula.sh`];
  const { success, stdout } = await new Deno.Command(shellcheck, { args: scripts }).output();
  assert.ok(success, new TextDecoder().decode(stdout));
});
