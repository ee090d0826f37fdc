/**
 * The requests of the AWS SDK's own clients (a token for ECR, credentials of single sign-on) go out as all others do: with
 * the permissions of the program, authorities of one's own, and through the proxy. They once were refused by the runtime.
 */
import assert from "node:assert/strict";
import { certificatesExpected, makeSelfSigned } from "../support/certificates.ts";
import { singleImage } from "../support/images.ts";
import { serveProxy } from "../support/proxies.ts";
import { type SeenRequest, serveScript } from "../support/scripted_server.ts";
import { tempFolder } from "./places.ts";
import { isOldProgram, s3lo } from "./program.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, { seed: 8 });
const ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
const HOSTS = [ECR, "api.ecr.us-east-1.amazonaws.com", "portal.sso.us-east-1.amazonaws.com"];

/** Amazon's services, as far as they are asked. */
function answer({ path, headers }: SeenRequest): Response | undefined {
  if (headers.get("x-amz-target")?.endsWith(".GetAuthorizationToken")) {
    const token = { authorizationToken: btoa("AWS:a-password-of-ecr"), expiresAt: Date.now() / 1000 + 3600 };
    return Response.json({ authorizationData: [token] });
  }
  if (path.startsWith("/federation/credentials")) {
    const expiration = Date.now() + 3_600_000;
    return Response.json({
      roleCredentials: {
        accessKeyId: "AKIASSO",
        secretAccessKey: "sso-secret-key",
        sessionToken: "sso-token",
        expiration,
      },
    });
  }
  if (headers.get("authorization") !== `Basic ${btoa("AWS:a-password-of-ecr")}`) {
    return new Response("{}", { status: 401, headers: { "www-authenticate": 'Basic realm="ecr"' } });
  }
  if (path === "/v2/") return new Response("{}");
  const { mediaType, digest } = image.root.descriptor;
  if (path.includes("/manifests/v1")) {
    return new Response(image.root.bytes as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": mediaType, "docker-content-digest": digest },
    });
  }
  const blob = [...image.blobs].find(([name]) => path.endsWith(name));
  return blob && new Response(blob[1] as Uint8Array<ArrayBuffer>);
}

Deno.test({
  name: "an ECR registry is read with credentials of single sign-on, through a proxy, by an authority of one's own",
  ignore: !certificatesExpected || isOldProgram(),
  fn: async () => {
    await using home = await tempFolder();
    const certificate = await makeSelfSigned(HOSTS.map((host) => `DNS:${host}`).join(","));
    await using server = serveScript(answer, { tls: certificate });
    await using proxy = serveProxy({ kind: "http", port: Number(server.host.split(":")[1]) });
    const at = (name: string) => `${home.path}/${name}`;
    await Deno.writeTextFile(at("ca.pem"), certificate.cert);
    await Deno.writeTextFile(
      at("config"),
      "[default]\nsso_start_url = https://x.test/start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
    );
    const startUrl = new TextEncoder().encode("https://x.test/start");
    const name = new Uint8Array(await crypto.subtle.digest("SHA-1", startUrl)).toHex();
    await Deno.mkdir(at(".aws/sso/cache"), { recursive: true });
    await Deno.writeTextFile(
      at(`.aws/sso/cache/${name}.json`),
      JSON.stringify({ accessToken: "sso-access-token", expiresAt: new Date(Date.now() + 3_600_000).toISOString() }),
    );
    const run = await s3lo(["inspect", `${ECR}/app:v1`, "-o", "json", "--ca-cert", at("ca.pem"), "--debug"], {
      env: {
        HOME: home.path,
        AWS_CONFIG_FILE: at("config"),
        AWS_EC2_METADATA_DISABLED: "true",
        HTTPS_PROXY: `http://${proxy.host}`,
        DENO_NO_UPDATE_CHECK: "1",
      },
    });
    assert.equal(run.code, 0, run.stderr);
    assert.equal(JSON.parse(run.stdout).digest, image.root.descriptor.digest);
    for (const host of HOSTS) assert.ok(proxy.asked.includes(`CONNECT ${host}:443`), `${host}: ${proxy.asked}`);
    assert.doesNotMatch(run.stderr, /a-password-of-ecr|sso-secret-key|sso-access-token/);
  },
});
