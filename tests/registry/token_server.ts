/** A token server as registries use it, for tests: real signed tokens, three users' worth of rules. */
import { type ScriptedServer, type SeenRequest, serveScript } from "../support/scripted_server.ts";
import type { TestCertificate } from "../support/certificates.ts";

/** What the server knows. */
export interface TokenServerOptions {
  readonly certificate: TestCertificate;
  /** Password by user name. Users may do everything; others may pull below `public/`. */
  readonly users: Readonly<Record<string, string>>;
  /** Refresh tokens that stand for a user. */
  readonly refreshTokens?: readonly string[];
  /** How long tokens are good. Default 300. */
  readonly lifetimeS?: number;
  /** What is said of that; default the truth. */
  readonly claimedLifetimeS?: number;
}

const ISSUER = "s3lo test issuer";
const SERVICE = "s3lo-test";

/** Starts the server. */
export async function serveTokens(options: TokenServerOptions): Promise<ScriptedServer> {
  const key = await signingKey(options.certificate.key);
  return serveScript(async (request) => {
    const asked = readRequest(request, options);
    if (asked === "refused") {
      return Response.json({ errors: [{ code: "UNAUTHORIZED", message: "bad login" }] }, { status: 401 });
    }
    const { isUser, scopes, service } = asked;
    if (service !== SERVICE) return new Response("wrong service", { status: 400 });
    const access = scopes.map((scope) => grant(scope, isUser)).filter(({ actions }) => actions.length > 0);
    const lifetimeS = options.lifetimeS ?? 300;
    const token = await sign(access, lifetimeS, key, options.certificate.cert);
    return Response.json({ token, access_token: token, expires_in: options.claimedLifetimeS ?? lifetimeS });
  });
}

/** The `auth:` settings of a registry that trusts the server; `folder` takes the certificate. */
export async function tokenAuthSettings(realm: string, certificate: TestCertificate, folder: string): Promise<string> {
  await Deno.writeTextFile(`${folder}/ca.pem`, certificate.ca);
  return `auth: {token: {realm: "${realm}", service: ${SERVICE}, issuer: "${ISSUER}", rootcertbundle: "${folder}/ca.pem"}}`;
}

function readRequest(request: SeenRequest, options: TokenServerOptions) {
  if (request.method === "POST") {
    const form = new URLSearchParams(new TextDecoder().decode(request.body));
    const isKnown = form.get("grant_type") === "refresh_token" && form.get("client_id") &&
      options.refreshTokens?.includes(form.get("refresh_token") ?? "");
    if (!isKnown) return "refused";
    return { isUser: true, scopes: form.get("scope")?.split(" ") ?? [], service: form.get("service") };
  }
  const query = new URL(request.path, "http://x").searchParams;
  const asked = { scopes: query.getAll("scope"), service: query.get("service") };
  const basic = /^Basic (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  if (basic === undefined) return { ...asked, isUser: false };
  const [user = "", password] = atob(basic).split(":");
  return options.users[user] === password ? { ...asked, isUser: true } : "refused";
}

function grant(scope: string, isUser: boolean) {
  const [type = "", name = "", actions = ""] = scope.split(":");
  const allowed = actions.split(",").filter((action) => isUser || (action === "pull" && name.startsWith("public/")));
  return { type, name, actions: allowed };
}

async function signingKey(pem: string): Promise<CryptoKey> {
  const der = Uint8Array.fromBase64(pem.replaceAll(/-----[^-]+-----|\s/g, ""));
  return await crypto.subtle.importKey("pkcs8", der, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, false, ["sign"]);
}

async function sign(access: unknown, lifetimeS: number, key: CryptoKey, cert: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  const header = part({ typ: "JWT", alg: "RS256", x5c: [cert.replaceAll(/-----[^-]+-----|\s/g, "")] });
  const claims = part({
    iss: ISSUER,
    sub: "somebody",
    aud: SERVICE,
    exp: now + lifetimeS,
    nbf: now - 10,
    iat: now,
    jti: crypto.randomUUID(),
    access,
  });
  const signed = new TextEncoder().encode(`${header}.${claims}`);
  const signature = new Uint8Array(await crypto.subtle.sign("RSASSA-PKCS1-v1_5", key, signed));
  return `${header}.${claims}.${signature.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}
