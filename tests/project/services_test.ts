import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { parseRequest } from "../../scripts/services.ts";
import { SERVICES } from "../../scripts/services/all.ts";
import { ServerProcess } from "../../scripts/services/server_process.ts";
import { engineAnswers, Site } from "../../scripts/services/site.ts";
import { SERVICE_VARIABLES, type ServiceName, serviceTest } from "../support/services.ts";

/** Splits `http://user:password@host` into the address without them and the two. */
function account(address: string): { url: string; user: string; password: string } {
  const { origin, username, password } = new URL(address);
  return { url: origin, user: username, password };
}

for (const name of ["registry", "oldRegistry"] as const) {
  serviceTest(`the service "${name}" is a registry that lets one delete`, [name], async (addresses) => {
    const upload = await fetch(`${addresses[name]}/v2/probe/blobs/uploads/`, { method: "POST" });
    await upload.body?.cancel();
    assert.equal(upload.status, 202);
    const digest = "sha256:" + "0".repeat(64);
    const deleted = await fetch(`${addresses[name]}/v2/probe/manifests/${digest}`, { method: "DELETE" });
    await deleted.body?.cancel();
    assert.equal(deleted.status, 404); // 405 where deleting is off
  });
}

serviceTest('the service "privateRegistry" asks for its password', ["privateRegistry"], async (addresses) => {
  const { url, user, password } = account(addresses.privateRegistry);
  for (const [given, status] of [[password, 200], [`${password}x`, 401]] as const) {
    const headers = { authorization: `Basic ${btoa(`${user}:${given}`)}` };
    const response = await fetch(`${url}/v2/`, { headers });
    await response.body?.cancel();
    assert.equal(response.status, status);
  }
});

for (const name of ["minio", "versity"] as const) {
  serviceTest(`the service "${name}" stores an object in a new bucket`, [name], async (addresses) => {
    const { url, user, password } = account(addresses[name]);
    const client = new S3Client({
      endpoint: url,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: user, secretAccessKey: password },
    });
    try {
      const Bucket = `probe-${crypto.randomUUID()}`;
      await client.send(new CreateBucketCommand({ Bucket }));
      const stored = await client.send(new PutObjectCommand({ Bucket, Key: "a", Body: "a" }));
      assert.equal(stored.ETag, '"0cc175b9c0f1b6a831c399e269772661"');
    } finally {
      client.destroy();
    }
  });
}

for (const name of ["docker20", "docker29", "podman"] as const) {
  serviceTest(`the service "${name}" answers on its socket`, [name], async (addresses) => {
    assert.equal(await engineAnswers(addresses[name]), true);
  });
}

const BY_DEFAULT: readonly ServiceName[] = SERVICES.filter((service) => !service.onRequest).map(({ name }) => name);

serviceTest("services.ts hands over services that run elsewhere and the command's exit code", BY_DEFAULT, async () => {
  const script = fileURLToPath(new URL("../../scripts/services.ts", import.meta.url));
  const variable = SERVICE_VARIABLES.minio;
  const command = ["deno", "eval", `console.log(Deno.env.get("${variable}")); Deno.exit(7)`];
  const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-net", "--allow-run", "--allow-sys=uid"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, script, "--", ...command],
    stdin: "null",
  }).output();
  assert.equal(code, 7);
  assert.equal(new TextDecoder().decode(stdout), `${Deno.env.get(variable)}\n`);
  assert.doesNotMatch(new TextDecoder().decode(stderr), /is ready/);
});

Deno.test({
  name: "every service has a variable and a name of its own",
  permissions: "none",
  fn: () => {
    const names = SERVICES.map((service) => service.name);
    assert.deepEqual([...names, "programs"].sort(), Object.keys(SERVICE_VARIABLES).sort());
    assert.equal(new Set(Object.values(SERVICE_VARIABLES)).size, names.length + 1);
  },
});

Deno.test({
  name: "parseRequest() reads what to do, which services to add and the command",
  permissions: "none",
  fn: () => {
    assert.deepEqual(parseRequest(["--with", "docker20,podman", "--", "deno", "test", "--", "x"]), {
      action: "run",
      with: ["docker20", "podman"],
      command: ["deno", "test", "--", "x"],
      programs: [],
    });
    assert.equal(parseRequest(["start"]).action, "start");
    assert.equal(parseRequest(["programs", "--with", "docker29"]).action, "programs");
    assert.deepEqual(parseRequest(["programs", "oras"]).programs, ["oras"]);
    for (
      const args of [["programs", "no-such"], [], ["--"], ["start", "--", "x"], ["--with", "registry", "start"], [
        "stop",
      ]]
    ) {
      assert.throws(() => parseRequest(args), Error, args.join(" "));
    }
  },
});

/** A site in a temporary folder. */
async function withSite(body: (site: Site) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "s3lo-site-" });
  const site = new Site(folder, new Map([["registry", "/bin/sh"]]));
  try {
    await body(site);
  } finally {
    await site.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Site.ready() tells why a server is not there: its last lines, and the last answer", async () => {
  await withSite(async (site) => {
    const ended = site.serve("registry", ["-c", "echo broken config; exit 3"]);
    await assert.rejects(site.ready(ended, () => Promise.resolve(false)), /ended at once:\n.*broken config/);
    const deaf = site.serve("registry", ["-c", "echo listening; exec sleep 60"]);
    const refused = () => Promise.reject(new Error("connection refused"));
    await assert.rejects(
      site.ready(deaf, refused, 300),
      /not ready after 0.3 s \(.*connection refused\):\n.*listening/,
    );
  });
});

Deno.test("ServerProcess.stop() ends a server that ignores the polite signal", async () => {
  await withSite(async (site) => {
    const logPath = `${site.folder}/stubborn.log`;
    const server = new ServerProcess({
      program: "/bin/sh",
      args: ["-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"],
      logPath,
    });
    await site.ready(server, async () => (await Deno.readTextFile(logPath)).includes("up"));
    assert.equal(server.ended, false);
    await server.stop(200);
    assert.equal(server.ended, true);
  });
});
