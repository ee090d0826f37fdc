/** A JSR on loopback: takes what `deno publish` uploads, and serves it as JSR does, so that a release is tried before it. */
import { createHash } from "node:crypto";
import { ROOT } from "../../scripts/source_files.ts";

/** The server, with one version of the package in it. */
export interface JsrServer extends AsyncDisposable {
  /** What `JSR_URL` has to be. */
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly paths: readonly string[];
  /** The files that were published, by path in the package. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** What a package's version says of itself. Spec: JSR, "API" (`<version>_meta.json`). */
interface VersionMeta {
  readonly exports: Readonly<Record<string, string>>;
  readonly manifest: Readonly<Record<string, { readonly size: number; readonly checksum: string }>>;
}

/** Starts a server and publishes the checkout to it with `deno publish`, as a release does. `folder` is for its own use. */
export async function publishedToLoopback(folder: string): Promise<JsrServer> {
  const { name, version, exports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const paths: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    paths.push(pathname);
    if (pathname.startsWith("/api/")) {
      if (request.method !== "POST") {
        return pathname.includes("/versions/") ? new Response("", { status: 404 }) : Response.json({});
      }
      for (const [path, bytes] of await unpacked(folder, request)) files.set(path, bytes);
      return Response.json({ id: "1", status: "success" });
    }
    const file = pathname.replace(`/${name}/`, "");
    if (file === "meta.json") return Response.json({ versions: { [version]: {} } });
    if (file === `${version}_meta.json`) return Response.json(versionMeta(files, exports));
    const bytes = files.get(file.replace(`${version}/`, ""));
    return bytes ? new Response(bytes) : new Response("no such file", { status: 404 });
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--allow-dirty", "--no-check", "--no-provenance", "--token", "loopback"],
    cwd: ROOT,
    env: { JSR_URL: url, NO_COLOR: "1" },
  }).output();
  if (!success || files.size === 0) {
    await server.shutdown();
    throw new Error(`deno publish failed: ${new TextDecoder().decode(stderr)}`);
  }
  return { url, paths, files, [Symbol.asyncDispose]: () => server.shutdown() };
}

function versionMeta(
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  exports: VersionMeta["exports"],
): VersionMeta {
  const manifest = Object.fromEntries(
    [...files].map(([path, bytes]) => [
      `/${path}`,
      { size: bytes.byteLength, checksum: `sha256-${createHash("sha256").update(bytes).digest("hex")}` },
    ]),
  );
  return { exports, manifest };
}

/** The files of an upload, a gzipped tar. */
async function unpacked(folder: string, request: Request): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const archive = `${folder}/upload.tar.gz`;
  const to = `${folder}/published`;
  await Deno.writeFile(archive, new Uint8Array(await request.arrayBuffer()));
  await Deno.mkdir(to, { recursive: true });
  const { success, stderr } = await new Deno.Command("tar", { args: ["-xzf", archive, "-C", to] }).output();
  if (!success) throw new Error(`the upload cannot be unpacked: ${new TextDecoder().decode(stderr)}`);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const path of await below(to, "")) files.set(path, await Deno.readFile(`${to}/${path}`));
  return files;
}

async function below(folder: string, path: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(`${folder}/${path}`));
  const found = entries.map(({ name, isDirectory }) => {
    const each = path === "" ? name : `${path}/${name}`;
    return isDirectory ? below(folder, each) : [each];
  });
  return (await Promise.all(found)).flat();
}
