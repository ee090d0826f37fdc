/** The images that the bench moves: made of real files once and kept in a cache folder, as an s3lo store. */
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { say } from "../services/run.ts";
import { type BuiltLayer, LayerBuilder } from "./layer_builder.ts";
import { realFiles, realFolders } from "./real_files.ts";

const MB = 1_000_000;

/** What a payload consists of. */
interface PayloadPlan {
  /** Stored sizes of the layers. */
  readonly layerBytes: readonly number[];
  /** Of an index: how many platforms; each has the first layer and its own of the others. */
  readonly platforms?: number;
  /** Layers are plain tars. */
  readonly isRaw?: boolean;
  /** Files passed over at the start, so that payloads differ. */
  readonly skip?: number;
  readonly about: string;
}

/** The payloads by name. */
export const PAYLOADS = {
  small: { layerBytes: Array(3).fill(3.4 * MB), skip: 1000, about: "10 MB, 3 layers" },
  medium: { layerBytes: Array(4).fill(32 * MB), skip: 3000, about: "129 MB, 4 layers" },
  layers40: { layerBytes: Array(40).fill(2.8 * MB), skip: 500, about: "112 MB, 40 layers" },
  index7: { layerBytes: [11 * MB, 9 * MB, 9 * MB], platforms: 7, skip: 2000, about: "137 MB, 7 platforms" },
  blobs2000: { layerBytes: Array(2000).fill(5000), about: "2,000 small blobs" },
  large8: { layerBytes: Array(8).fill(137 * MB), about: "1.1 GB, 8 layers" },
  large1: { layerBytes: [1150 * MB], skip: 100, about: "1.15 GB, one layer" },
  huge1: { layerBytes: [4300 * MB], isRaw: true, about: "4.3 GB, one plain layer" },
} as const satisfies Record<string, PayloadPlan>;

/** One of the payloads. */
export type PayloadName = keyof typeof PAYLOADS;

const ARCHITECTURES = ["amd64", "arm64", "386", "ppc64le", "s390x", "riscv64", "mips64le"];

/** A payload that is there. */
export interface Payload {
  readonly name: PayloadName;
  /** Reference that s3lo reads it by. */
  readonly reference: string;
  /** The store's folder. */
  readonly folder: string;
}

/** The folder of everything that the bench keeps. */
function benchFolder(): string {
  return `${Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") || "/tmp"}/.cache`}/s3lo-bench`;
}

/** A payload from the cache, made when it is not there yet. */
export async function preparePayload(name: PayloadName): Promise<Payload> {
  const folder = `${benchFolder()}/store`;
  const tag = `${folder}/manifests/${name}/v1/manifest.json`;
  if (!await Deno.stat(tag).then(() => true, () => false)) {
    const started = performance.now();
    const root = await buildImage(folder, PAYLOADS[name]);
    await Deno.mkdir(tag.slice(0, tag.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(tag, root);
    say(`made payload ${name} in ${Math.round((performance.now() - started) / 1000)} s`);
  }
  return { name, folder, reference: `local://${folder}//${name}:v1` };
}

async function buildImage(folder: string, plan: PayloadPlan): Promise<Uint8Array> {
  const folders = await realFolders();
  const builder = new LayerBuilder(folder, () => realFiles(folders));
  await builder.skip(plan.skip ?? 0);
  const build = (bytes: number) => builder.build(bytes, { isRaw: plan.isRaw ?? false });
  const [first = 0, ...others] = plan.layerBytes;
  const shared = await build(first);
  const entries: Descriptor[] = [];
  let manifest = new Uint8Array(0);
  for (const architecture of ARCHITECTURES.slice(0, plan.platforms ?? 1)) {
    const layers = [shared];
    for (const bytes of others) layers.push(await build(bytes));
    manifest = await writeManifest(folder, architecture, layers);
    entries.push({ ...described(MEDIA_TYPES.ociManifest, manifest), platform: { os: "linux", architecture } });
    if (plan.platforms !== undefined) await writeBlob(folder, manifest);
  }
  return plan.platforms === undefined
    ? manifest
    : encode({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: entries });
}

async function writeManifest(
  folder: string,
  architecture: string,
  layers: readonly BuiltLayer[],
): Promise<Uint8Array<ArrayBuffer>> {
  const config = encode({
    architecture,
    os: "linux",
    config: { Cmd: ["/bin/true"] },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created_by: "bench" })),
  });
  await writeBlob(folder, config);
  return encode({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: described(MEDIA_TYPES.ociConfig, config),
    layers: layers.map((layer) => layer.descriptor),
  });
}

function described(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

function encode(document: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(document)) as Uint8Array<ArrayBuffer>;
}

async function writeBlob(folder: string, bytes: Uint8Array): Promise<void> {
  await Deno.writeFile(`${folder}/${blobPath(digestOf(bytes))}`, bytes);
}

if (import.meta.main) {
  for (const name of Deno.args.length > 0 ? Deno.args as PayloadName[] : Object.keys(PAYLOADS) as PayloadName[]) {
    await preparePayload(name);
  }
}
