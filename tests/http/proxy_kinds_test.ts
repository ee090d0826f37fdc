/**
 * Every kind of proxy, the same for what is read and what is sent: once a large upload went around a proxy that reads
 * went through, or failed where they did not. Under exactly the permissions of the program.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { parseProxy, proxyFor, readProxySettings } from "../../src/http/proxy.ts";
import { certificatesExpected, makeCertificate } from "../support/certificates.ts";
import { serveProxy } from "../support/proxies.ts";
import { serveScript } from "../support/scripted_server.ts";

const SCRIPT = fileURLToPath(import.meta.resolve("./trust_client.ts"));
// The runtime itself looks for updates, through proxies too.
const NONE = {
  DENO_NO_UPDATE_CHECK: "1",
  HTTP_PROXY: "",
  HTTPS_PROXY: "",
  ALL_PROXY: "",
  NO_PROXY: "",
  all_proxy: "",
  https_proxy: "",
};
const ALL_WELL = ["200 0", "200 200000", "200 300000"];
const options = { ignore: !certificatesExpected };

/** Sends a GET, a large body and a stream from a process with the program's permissions; the outcomes. */
async function sendAll(url: string, ca: string, env: Record<string, string>): Promise<readonly string[]> {
  const path = await Deno.makeTempFile({ prefix: "s3lo-proxy-" });
  try {
    await Deno.writeTextFile(path, ca);
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...permissionFlags(), SCRIPT, JSON.stringify({ url, files: [path] })],
      env: { ...NONE, ...env },
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(path);
  }
}

const KINDS = ["http", "https", "socks5", "socks5h"] as const;

for (const kind of KINDS) {
  for (const scheme of ["http", "https"] as const) {
    Deno.test(`an ${kind} proxy with a password leads to an ${scheme} host, whatever is sent`, options, async () => {
      const certificate = await makeCertificate();
      const answer = ({ body }: { body: Uint8Array }) => new Response(`${body.byteLength}`);
      await using server = serveScript(answer, scheme === "https" ? { tls: certificate } : {});
      const port = Number(server.host.split(":")[1]);
      await using proxy = serveProxy({
        kind: kind.startsWith("socks") ? "socks5" : "http",
        port,
        wants: "me@home:p%ss:word",
        ...(kind === "https" ? { tls: certificate } : {}),
      });
      const url = `${scheme}://registry.test:5000/x`;
      const value = `${kind}://me%40home:p%25ss%3Aword@${proxy.host}`;
      assert.deepEqual(await sendAll(url, certificate.ca, { ALL_PROXY: value }), ALL_WELL);
      assert.deepEqual(await sendAll(url, certificate.ca, { [`${scheme}_proxy`]: value }), ALL_WELL);
      assert.ok(proxy.asked.length >= 4, `${proxy.asked}`);
      for (const asked of proxy.asked) {
        if (kind.startsWith("socks")) assert.equal(asked, "SOCKS registry.test:5000");
        else if (scheme === "https") assert.equal(asked, "CONNECT registry.test:5000");
        else assert.match(asked, /^(?:GET|PUT) http:\/\/registry\.test:5000\/x$/);
      }
    });
  }
}

for (const kind of ["http", "socks5"] as const) {
  Deno.test(
    `a password that an ${kind} proxy does not take is told with the proxy, and tried once`,
    options,
    async () => {
      const certificate = await makeCertificate();
      await using proxy = serveProxy({ kind, port: 1, wants: "me:right" });
      for (const url of ["http://registry.test/x", "https://registry.test/x"]) {
        const given = await sendAll(url, certificate.ca, { ALL_PROXY: `${kind}://me:secretive@${proxy.host}` });
        for (const outcome of given) {
          assert.match(
            outcome,
            new RegExp(
              `^unauthorized Cannot reach "registry\\.test": the proxy ${kind}://${proxy.host} ` +
                "does not accept its user and password \\| Put its user and password before the host in ALL_PROXY",
            ),
          );
          assert.doesNotMatch(outcome, /secretive/);
        }
        for (const outcome of await sendAll(url, certificate.ca, { ALL_PROXY: `${kind}://${proxy.host}` })) {
          assert.match(outcome, /^unauthorized .* wants a password \|/);
        }
      }
    },
  );
}

Deno.test("a proxy that refuses a host, or is not there, is named", options, async () => {
  const certificate = await makeCertificate();
  await using strict = serveProxy({ kind: "http", port: 1, refusal: 403 });
  await using broken = serveProxy({ kind: "http", port: 1, refusal: 502 });
  await using socks = serveProxy({ kind: "socks5", port: 1, refusal: 1 });
  const url = "https://registry.test/x";
  const first = async (value: string) => (await sendAll(url, certificate.ca, { HTTPS_PROXY: value }))[0]!;
  assert.match(
    await first(strict.host),
    new RegExp(
      `^denied .*: the proxy http://${strict.host} does not lead there: it answered 403 No \\| Check the proxy`,
    ),
  );
  assert.match(await first(broken.host), /^unavailable .* it answered 502 No \|/);
  assert.match(
    await first(`socks5://${socks.host}`),
    /^unavailable .* does not lead there: its rules do not allow it \|/,
  );
  assert.match(
    await first("http://me:secretive@127.0.0.1:1"),
    /^unavailable Cannot reach "registry\.test": through the proxy http:\/\/127\.0\.0\.1:1: .*refused.* in HTTPS_PROXY/,
  );
});

Deno.test("parseProxy() takes the forms that curl takes, and names the variable of what it does not", {
  permissions: "none",
}, () => {
  const cases: readonly (readonly [string, string])[] = [
    ["proxy.test", "http://proxy.test:80"],
    ["proxy.test:3128", "http://proxy.test:3128"],
    ["HTTP://Proxy.Test:80/", "http://proxy.test:80"],
    ["https://proxy.test", "https://proxy.test:443"],
    ["https://u:p@proxy.test:443", "https://proxy.test:443"],
    ["socks5://[fd00::1]", "socks5://[fd00::1]:1080"],
    ["socks5h://proxy.test:9050", "socks5h://proxy.test:9050"],
    ["user:p@ss@proxy.test:8080", "http://proxy.test:8080"],
  ];
  for (const [value, label] of cases) assert.equal(parseProxy({ value, variable: "HTTP_PROXY" }).label, label);
  const { credentials } = parseProxy({ value: "u%40x:p%3A%25@proxy.test", variable: "HTTP_PROXY" });
  assert.deepEqual(credentials, { username: "u@x", password: "p:%" });
  for (const value of ["socks4://proxy.test", "ftp://proxy.test", "http://", "http://u:secretive@:80", "http://a b"]) {
    assert.throws(() => parseProxy({ value, variable: "https_proxy" }), (error: Error) => {
      assert.match(error.message, /^Cannot use the proxy in https_proxy: /);
      assert.doesNotMatch(error.message, /secretive/);
      return true;
    });
  }
});

Deno.test(
  "a variable in lower case goes first, and one for the scheme before that for all",
  { permissions: "none" },
  () => {
    const values: Record<string, string> = { HTTPS_PROXY: "a.test", https_proxy: "b.test", ALL_PROXY: "c.test" };
    const settings = readProxySettings((name) => values[name]);
    assert.equal(proxyFor(new URL("https://x.test/"), settings)?.label, "http://b.test:80");
    assert.equal(proxyFor(new URL("http://x.test/"), settings)?.variable, "ALL_PROXY");
  },
);
