/**
 * Whom one trusts on a TLS connection: what openssl's defaults make, bundles with a bad entry, folders, Docker's
 * `certs.d`, files that are not there. Under exactly the permissions of the program.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { environmentSources, readCaCertificates } from "../../src/http/ca_certificates.ts";
import { readHostCertificates } from "../../src/http/host_certificates.ts";
import { certificatesExpected, makeCertificate, makeSelfSigned } from "../support/certificates.ts";
import { serveScript } from "../support/scripted_server.ts";

const SCRIPT = fileURLToPath(import.meta.resolve("./trust_client.ts"));
const options = { ignore: !certificatesExpected };

/** What the child is to send; see trust_client.ts. */
interface Wish {
  readonly url: string;
  readonly files?: readonly string[];
  readonly insecure?: boolean;
  readonly registry?: boolean;
}

/** Sends a GET, a large body and a stream from a process that has the program's permissions; the three outcomes. */
async function sendAll(wish: Wish, env: Record<string, string> = {}): Promise<readonly string[]> {
  const clean = { SSL_CERT_FILE: "", SSL_CERT_DIR: "", AWS_CA_BUNDLE: "", DENO_TLS_CA_STORE: "mozilla" };
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionFlags(), SCRIPT, JSON.stringify(wish)],
    env: { ...clean, ...env },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

const ALL_WELL = ["200 0", "200 200000", "200 300000"];

async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "s3lo-trust-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function serveTls(certificate: { readonly cert: string; readonly key: string }) {
  return serveScript(({ body }) => new Response(`${body.byteLength}`), { tls: certificate });
}

Deno.test(
  "an authority of one's own is trusted by everything that is sent, with the permissions of the program",
  options,
  async () => {
    await using temp = await folder();
    const certificate = await makeCertificate();
    await using server = serveTls(certificate);
    const url = `${server.origin}/`;
    const path = `${temp.path}/ca.pem`;
    await Deno.writeTextFile(path, certificate.ca);
    assert.deepEqual(await sendAll({ url, files: [path] }), ALL_WELL);
    assert.deepEqual(await sendAll({ url }, { SSL_CERT_FILE: path }), ALL_WELL);
    assert.deepEqual(await sendAll({ url }, { AWS_CA_BUNDLE: path }), ALL_WELL);
    assert.deepEqual(await sendAll({ url, insecure: true }), ALL_WELL);
    for (const outcome of await sendAll({ url })) {
      assert.match(
        outcome,
        /^unavailable Cannot reach .*UnknownIssuer \| Name its certificate authority with --ca-cert/,
      );
    }
    assert.match((await sendAll({ url, registry: true }, { AWS_CA_BUNDLE: path }))[0]!, /^unavailable /, "AWS's own");
  },
);

Deno.test(
  "a server's self-signed certificate, as openssl makes it, is trusted by name, for its own host alone",
  options,
  async () => {
    await using temp = await folder();
    const certificate = await makeSelfSigned("IP:127.0.0.1");
    const stranger = await makeSelfSigned("DNS:other.test");
    await using server = serveTls(certificate);
    await using wrongName = serveTls(stranger);
    const [path, strangerPath] = [`${temp.path}/self.pem`, `${temp.path}/stranger.pem`];
    await Deno.writeTextFile(path, certificate.cert);
    await Deno.writeTextFile(strangerPath, stranger.cert);
    assert.deepEqual(await sendAll({ url: `${server.origin}/`, files: [path] }), ALL_WELL);
    for (const files of [[], [strangerPath]]) {
      for (const outcome of await sendAll({ url: `${server.origin}/`, files })) assert.match(outcome, /^unavailable /);
    }
    for (const outcome of await sendAll({ url: `${wrongName.origin}/`, files: [strangerPath] })) {
      assert.match(outcome, /^unavailable /, "the certificate is for another name");
    }
    assert.deepEqual(wrongName.requests, []);
  },
);

Deno.test("SSL_CERT_DIR names folders of certificates", options, async () => {
  await using temp = await folder();
  const certificate = await makeCertificate();
  await using server = serveTls(certificate);
  await Deno.writeTextFile(`${temp.path}/0a1b2c3d.0`, certificate.ca);
  await Deno.writeTextFile(`${temp.path}/README`, "not a certificate");
  await Deno.mkdir(`${temp.path}/more`);
  const env = { SSL_CERT_DIR: `/nonexistent:${temp.path}` };
  assert.deepEqual(await sendAll({ url: `${server.origin}/` }, env), ALL_WELL);
});

Deno.test("certs.d/<host> holds a registry's authority and the certificate that it wants to see", options, async () => {
  await using temp = await folder();
  const certificate = await makeCertificate();
  await using server = serveTls(certificate);
  for (const base of [".docker/certs.d", ".config/containers/certs.d"]) {
    const place = `${temp.path}/${base}/${server.host}`;
    await Deno.mkdir(place, { recursive: true });
    await Deno.writeTextFile(`${place}/ca.crt`, certificate.ca);
    const env = { HOME: temp.path, XDG_CONFIG_HOME: "" };
    const wish = { url: `${server.origin}/`, registry: true };
    assert.deepEqual(await sendAll(wish, env), ALL_WELL, base);
    assert.match((await sendAll({ ...wish, registry: false }, env))[0]!, /^unavailable /, "buckets have other ways");
    await Deno.writeTextFile(`${place}/client.cert`, certificate.cert);
    assert.match(
      (await sendAll(wish, env))[0]!,
      /^usage Cannot use the client certificate ".*client\.cert": "client\.key" is not there/,
    );
    await Deno.writeTextFile(`${place}/client.key`, certificate.key);
    assert.deepEqual(await sendAll(wish, env), ALL_WELL);
    const found = await readHostCertificates(server.host, { env: (name) => name === "HOME" ? temp.path : undefined });
    assert.deepEqual(found?.clientCertificate, { cert: certificate.cert, key: certificate.key });
    await Deno.remove(`${temp.path}/${base}`, { recursive: true });
  }
  const none = { env: () => undefined };
  for (const host of ["..", "../../etc", "a/b"]) assert.equal(await readHostCertificates(host, none), undefined);
});

Deno.test(
  "a bad entry in a bundle is left out and told; a file without a good one is wrong usage",
  options,
  async () => {
    await using temp = await folder();
    const { ca } = await makeCertificate();
    const bad = [
      "-----BEGIN CERTIFICATE-----\n!!! not base64\n-----END CERTIFICATE-----\n",
      "-----BEGIN CERTIFICATE-----\nAAAAAAAA\n-----END CERTIFICATE-----\n",
      `${ca.slice(0, 300)}\n-----END CERTIFICATE-----\n`,
    ];
    const write = async (name: string, text: string) => {
      await Deno.writeTextFile(`${temp.path}/${name}`, text);
      return [{ path: `${temp.path}/${name}`, from: "--ca-cert" }];
    };
    for (const entry of bad) {
      const lines: string[] = [];
      const files = await write("mixed.pem", `# mine\n${entry}${ca.replaceAll("\n", "\r\n")}`);
      const found = await readCaCertificates({ files, log: (line) => lines.push(line) });
      assert.equal(found.length, 1);
      assert.match(lines.join(), /^Entry 1 of 2 in ".*mixed\.pem" is no certificate/);
      await assert.rejects(readCaCertificates({ files: await write("bad.pem", entry) }), {
        code: "usage",
        message: `Cannot read CA certificates "${temp.path}/bad.pem" (--ca-cert): none of its entries is a certificate`,
      });
    }
    await assert.rejects(readCaCertificates({ files: await write("text.pem", "hello") }), {
      code: "usage",
      message: /: it holds no PEM certificate$/,
    });
    await assert.rejects(readCaCertificates({ files: [{ path: `${temp.path}/none`, from: "SSL_CERT_FILE" }] }), {
      code: "usage",
      message: /^Cannot read CA certificates ".*none" \(SSL_CERT_FILE\): /,
    });
  },
);

Deno.test("a file of authorities that is missing matters only where there is TLS", options, async () => {
  await using plain = serveScript(({ body }) => new Response(`${body.byteLength}`));
  await using server = serveTls(await makeCertificate());
  const env = { SSL_CERT_FILE: "/nonexistent/ca.pem" };
  assert.deepEqual(await sendAll({ url: `${plain.origin}/` }, env), ALL_WELL);
  for (const outcome of await sendAll({ url: `${server.origin}/` }, env)) {
    assert.match(outcome, /^usage Cannot read CA certificates "\/nonexistent\/ca\.pem" \(SSL_CERT_FILE\): /);
  }
});

Deno.test("environmentSources() reads what OpenSSL and AWS's tools read", { permissions: "none" }, () => {
  const values: Record<string, string> = { SSL_CERT_FILE: "/a", AWS_CA_BUNDLE: "/b", SSL_CERT_DIR: "/c:/d" };
  assert.deepEqual(environmentSources((name) => values[name], ["AWS_CA_BUNDLE"]), {
    files: [{ path: "/a", from: "SSL_CERT_FILE" }, { path: "/b", from: "AWS_CA_BUNDLE" }],
    folders: ["/c", "/d"],
  });
  assert.deepEqual(environmentSources(() => ""), { files: [], folders: [] });
});
