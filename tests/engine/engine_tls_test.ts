import assert from "node:assert/strict";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import { systemHost } from "../../src/engine/engine_host.ts";
import { findEngine } from "../../src/engine/find_engine.ts";
import { isImageError } from "../../src/errors.ts";
import { certificatesExpected } from "../support/certificates.ts";

/** A certificate authority, and certificates of a server and a client that it signed. */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args, cwd: folder, stderr: "piped" }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  await Deno.writeTextFile(`${folder}/san.cnf`, "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await openssl("req", "-x509", ...key, "-subj", "/CN=test authority", "-keyout", "ca-key.pem", "-out", "ca.pem");
  for (const name of ["server", "client"]) {
    await openssl(
      "req",
      ...key.slice(0, 5),
      "-subj",
      `/CN=${name}`,
      "-keyout",
      `${name}-key.pem`,
      "-out",
      `${name}.csr`,
    );
    const signing = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "san.cnf"];
    await openssl("x509", "-req", "-in", `${name}.csr`, ...signing, "-out", `${name}.pem`);
  }
  await Deno.copyFile(`${folder}/client.pem`, `${folder}/cert.pem`);
  await Deno.copyFile(`${folder}/client-key.pem`, `${folder}/key.pem`);
}

Deno.test({
  name: "findEngine() reaches a daemon over TLS by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH",
  ignore: !certificatesExpected,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    await makeCertificates(folder);
    const read = (name: string) => Deno.readTextFile(`${folder}/${name}.pem`);
    const [ca, cert, key] = await Promise.all([read("ca"), read("server"), read("server-key")]);
    let received = 0;
    const server = https.createServer(
      { ca, cert, key, requestCert: true, rejectUnauthorized: true },
      (request, answer) => {
        request.on("data", (chunk: Uint8Array) => received += chunk.byteLength);
        request.on("end", () => {
          answer.setHeader("api-version", "1.41");
          answer.end(request.url?.endsWith("/load?quiet=1") ? `{"stream":"Loaded image: a:1\\n"}` : `{"Os":"linux"}`);
        });
      },
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const dockerHost = `tcp://localhost:${(server.address() as AddressInfo).port}`;
    const host = (env: Readonly<Record<string, string>>) => ({ ...systemHost(), env: (name: string) => env[name] });
    try {
      const env = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder };
      using client = await findEngine({ dockerHost, host: host(env) });
      assert.equal(client.info.apiVersion, "1.41");
      assert.deepEqual(await client.loadImage(bytesReader(new Uint8Array(100_000))), ["a:1"]);
      assert.equal(received, 100_000);
      // Without the daemon's authority, and without TLS at all, nobody is talked to.
      await assert.rejects(
        findEngine({ dockerHost: dockerHost.replace("tcp", "https"), host: host({}) }),
        (error) => isImageError(error, "unavailable"),
      );
      await assert.rejects(findEngine({ dockerHost, host: host({}) }), (error) => isImageError(error));
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Deno.remove(folder, { recursive: true });
    }
  },
});
