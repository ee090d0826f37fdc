/** Places on this machine: a store in a folder, a layout, archives, bundles. */
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { listFiles, tempFolder } from "../cli/places.ts";
import { bundleSourceAt, bundleTargetAt, sourceAt, targetAt } from "./open_places.ts";
import { type OpenTestTarget, type TestPlace, TRAITS } from "./place.ts";

/** The kinds of places that need no service. */
export const LOCAL_KINDS = ["folder", "oci", "oci-archive", "docker-archive", "bundle"] as const;
export type LocalKind = (typeof LOCAL_KINDS)[number];

/** The session of a run that can be stopped. */
export function stoppable(options: OpenTestTarget): Session {
  return new Session({ retryDelayMs: 1, signal: options.signal, log: options.log });
}

/** A fresh place of this kind. */
export async function localPlace(kind: LocalKind): Promise<TestPlace> {
  const folder = await tempFolder();
  const sessions = new AsyncDisposableStack();
  const reading = sessions.use(new Session({ retryDelayMs: 1 }));
  const store = `${folder.path}/place`;
  const archive = (name: string) => `${store}/${name}.tar`;
  if (kind !== "folder" && kind !== "oci") await Deno.mkdir(store);
  const reference = {
    folder: (name: string) => `local://${store}//app:${name}`,
    oci: (name: string) => `oci:${store}:${name}`,
    "oci-archive": (name: string) => `oci-archive:${archive(name)}:app:${name}`,
    "docker-archive": (name: string) => `docker-archive:${archive(name)}:app:${name}`,
    bundle: (name: string) => name,
  }[kind];
  const isBundle = kind === "bundle";
  const blobFile = kind === "folder" || kind === "oci";
  return {
    kind,
    traits: TRAITS[kind],
    source: (name) =>
      isBundle ? bundleSourceAt(reading, archive(name), `app:${name}`) : sourceAt(reading, reference(name)),
    target(name, options = {}) {
      const session = sessions.use(stoppable(options));
      return isBundle
        ? bundleTargetAt(session, archive(name), `app:${name}`)
        : targetAt(session, reference(name), options.source);
    },
    async remains() {
      const files = await Array.fromAsync(await listFiles(folder.path), async (path) => {
        const digest = digestOf(await Deno.readFile(`${folder.path}/${path}`));
        return path === `place/${blobPath(digest)}` ? [] : [`${path} ${digest}`];
      });
      return files.flat();
    },
    async damage(name, digest, change) {
      if (blobFile) {
        const path = `${store}/${blobPath(digest)}`;
        await Deno.writeFile(path, change(await Deno.readFile(path)));
        return;
      }
      const tar = await Deno.readFile(archive(name));
      const start = findBlob(tar, digest);
      const changed = change(tar.slice(start.at, start.at + start.sizeBytes));
      if (changed.byteLength !== start.sizeBytes) throw new RangeError("a blob of a tar keeps its length");
      tar.set(changed, start.at);
      await Deno.writeFile(archive(name), tar);
    },
    ...(kind === "folder" ? { protect: () => Deno.writeTextFile(`${store}/s3lo.yaml`, PROTECTED) } : {}),
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The settings of a store all of whose tags are protected. */
export const PROTECTED = "default:\n    immutable: true\n";

/** Where the bytes with this digest begin in a tar; they are found by their digest, whatever their name. */
function findBlob(tar: Uint8Array, digest: string): { readonly at: number; readonly sizeBytes: number } {
  for (let at = 0; at + 512 <= tar.byteLength;) {
    const size = parseInt(new TextDecoder().decode(tar.subarray(at + 124, at + 135)), 8) || 0;
    if (digestOf(tar.subarray(at + 512, at + 512 + size)) === digest) return { at: at + 512, sizeBytes: size };
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`the archive holds no ${digest}`);
}
