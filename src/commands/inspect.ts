import { isImageError } from "../errors.ts";
import { mapPool } from "../bytes/pool.ts";
import { type WalkedEntry, walkIndex } from "../image/index_walk.ts";
import type { ImageSource, LayerState, SignatureRecord } from "../image/places.ts";
import { listReferrers } from "../image/referrers.ts";
import { readConfig, selectPlatforms } from "../image/select_platforms.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { artifactTypeOf, entryKind } from "../oci/entry_kind.ts";
import { isObject, type JsonObject } from "../oci/json.ts";
import type { ImageLocation } from "../oci/location.ts";
import { attestedDigest, type ImageManifest, isAttestation, type Manifest } from "../oci/manifest.ts";
import { manifestKind } from "../oci/media_types.ts";
import { formatPlatform, parsePlatform, parsePlatformObject, type Platform } from "../oci/platform.ts";
import { openSource } from "../transports/open.ts";
import type { Session } from "../transports/session.ts";

/** How many platforms are read at once. */
const PARALLEL_PLATFORMS = 16;

/** One layer; sizes are those of the stored, compressed bytes. */
export interface LayerReport {
  readonly digest: string;
  readonly size: number;
  readonly media_type: string;
  /** Of a bucket or folder: how it holds the layer. */
  readonly stored?: LayerState["stored"];
  /** Number of chunks. */
  readonly chunks?: number;
  /** Length of the uncompressed layer, where the place knows it. */
  readonly raw_size?: number;
  /** What is wrong with it, where it is damaged. */
  readonly problem?: string;
}

/** One entry of an index. Members are in the JSON of docs/json.md. */
export interface PlatformReport {
  /** `linux/arm64/v8`, `(attestation)`, or what an entry without a platform is; see `EntryKind`. */
  readonly platform: string;
  readonly digest: string;
  readonly media_type: string;
  readonly layers: readonly LayerReport[];
  /** Sum of the layers' sizes. */
  readonly total_size: number;
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly os_version?: string;
  /** When the image was built, as its config says. */
  readonly created?: string;
  /** What an artifact is; of an entry that is one. */
  readonly artifact_type?: string;
  /** Of an index within the index: how many entries it has. */
  readonly entries?: number;
  /** For an attestation: the digest of the manifest that it speaks of. */
  readonly attests_to?: string;
  /** The place has no manifest of this digest. */
  readonly missing?: true;
}

/** What a single image's config says; with `--platform` only. */
export interface ConfigReport {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly working_dir: string;
  readonly user: string;
  readonly exposed_ports: readonly string[];
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly history: readonly { readonly created: string; readonly created_by: string; readonly empty_layer: boolean }[];
  readonly diff_ids: readonly string[];
}

/** What `inspect` tells of an image. */
export interface InspectReport {
  readonly reference: string;
  readonly digest: string;
  readonly media_type: string;
  readonly is_index: boolean;
  /** Of an index: one for each entry, in its order. */
  readonly platforms?: readonly PlatformReport[];
  /** Of a single image. */
  readonly layers?: readonly LayerReport[];
  readonly total_size?: number;
  readonly platform?: string;
  readonly created?: string;
  readonly config_digest?: string;
  readonly config?: ConfigReport;
  readonly artifact_type?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly signatures?: readonly SignatureRecord[];
  /** What the identity may not see, so that nothing is said of it: `signatures`, `referrers`. */
  readonly unknown?: readonly string[];
  readonly referrers?: readonly { readonly digest: string; readonly artifact_type: string; readonly size: number }[];
}

/** Tells what an image is: its platforms, or with a platform chosen, that one in depth. */
export async function inspectCommand(
  session: Session,
  location: ImageLocation,
  options: { readonly platform?: string | undefined } = {},
): Promise<InspectReport> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  await using source = await openSource(session, location);
  const original = await source.root();
  const root = platform ? (await selectPlatforms(source, original, [platform])).root : original;
  const [body, referrers, signatures] = await Promise.all([
    root.content.kind === "index" ? describeIndex(source, root) : describeSingle(source, root, platform !== undefined),
    listReferrers(source, [root.descriptor.digest]),
    source.signatures?.() ?? [],
  ]);
  const { annotations } = root.content;
  const artifactType = artifactTypeOf(root.content);
  return {
    reference: source.name,
    digest: root.descriptor.digest,
    media_type: root.descriptor.mediaType,
    is_index: root.content.kind === "index",
    ...body,
    ...(artifactType === undefined ? {} : { artifact_type: artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(signatures.length === 0 ? {} : { signatures }),
    ...(referrers.length === 0 ? {} : { referrers: referrers.map(referrerReport) }),
    ...(source.withheld?.size ? { unknown: [...source.withheld].sort() } : {}),
  };
}

/** The manifest's bytes as they are stored; of a chosen platform where one is named. */
export async function rawManifest(
  session: Session,
  location: ImageLocation,
  options: { readonly platform?: string | undefined } = {},
): Promise<Uint8Array> {
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  await using source = await openSource(session, location);
  const root = await source.root();
  return (platform ? (await selectPlatforms(source, root, [platform])).root : root).bytes;
}

/** Reads the entries of an index, a bounded number at once; of each manifest only what is told is kept. */
async function describeIndex(source: ImageSource, root: Manifest): Promise<Partial<InspectReport>> {
  if (root.content.kind !== "index") return {};
  const own = new Set(root.content.manifests);
  const reads = (entry: Descriptor) =>
    own.has(entry) && (entry.mediaType === "" || manifestKind(entry.mediaType) !== undefined);
  const { entries } = await walkIndex(source, root, { reads, skipMissing: true });
  const found = new Map(entries.flatMap(({ child }) => child ? [[child.manifest.descriptor.digest, child]] : []));
  const configs = new Map<Digest, Promise<ConfigSummary | undefined>>();
  const configFor = (image: ImageManifest) => {
    const known = configs.get(image.config.digest) ?? configSummary(source, image);
    configs.set(image.config.digest, known);
    return known;
  };
  const describe = ({ descriptor, label }: WalkedEntry) =>
    describeEntry({
      entry: descriptor,
      label,
      isMissing: reads(descriptor) && !found.has(descriptor.digest),
      content: found.get(descriptor.digest)?.manifest.content,
    }, configFor);
  const layers = [...found.values()].flatMap(({ manifest: { content } }) =>
    content.kind === "image" ? content.layers : []
  );
  const [states, platforms] = await Promise.all([
    layerStates(source, layers),
    mapPool(entries, PARALLEL_PLATFORMS, describe),
  ]);
  return { platforms: platforms.map((each) => ({ ...each, layers: withStates(each.layers, states) })) };
}

/** An entry of an index, and what it names where that is a manifest that is there. */
interface IndexEntry {
  readonly entry: Descriptor;
  readonly label: string;
  readonly isMissing: boolean;
  readonly content: Manifest["content"] | undefined;
}

async function describeEntry(
  { entry, label, ...found }: IndexEntry,
  configFor: (image: ImageManifest) => Promise<ConfigSummary | undefined>,
): Promise<PlatformReport> {
  const subject = attestedDigest(entry);
  const artifactType = artifactTypeOf(found.content) ?? entry.artifactType;
  const common = {
    platform: isAttestation(entry) ? "(attestation)" : label || entryKind(entry, found.content),
    digest: entry.digest,
    media_type: entry.mediaType,
    ...(artifactType === undefined || isAttestation(entry) ? {} : { artifact_type: artifactType }),
    ...(subject === undefined ? {} : { attests_to: subject }),
    layers: [],
  };
  if (found.isMissing) return { ...common, total_size: 0, missing: true };
  if (!found.content) return { ...common, total_size: entry.size };
  if (found.content.kind === "index") return { ...common, total_size: 0, entries: found.content.manifests.length };
  if (found.content.kind === "artifact") {
    const blobs = found.content.blobs.map(layerReport);
    return { ...common, layers: blobs, total_size: sumOf(blobs) };
  }
  const layers = found.content.layers.map(layerReport);
  const config = isAttestation(entry) ? undefined : await configFor(found.content);
  const platform = entry.platform ?? config?.platform;
  return {
    ...common,
    platform: isAttestation(entry) || label || !platform?.os ? common.platform : formatPlatform(platform),
    layers,
    total_size: sumOf(layers),
    ...(platform && !isAttestation(entry) ? platformMembers(platform) : {}),
    ...(config?.created ? { created: config.created } : {}),
  };
}

async function describeSingle(source: ImageSource, root: Manifest, inDepth: boolean): Promise<Partial<InspectReport>> {
  const { content } = root;
  if (content.kind === "index") return {};
  const stored = content.kind === "image" ? content.layers : content.blobs;
  const [states, config] = await Promise.all([
    layerStates(source, stored),
    content.kind === "image" ? configOf(source, content) : undefined,
  ]);
  const layers = withStates(stored.map(layerReport), states);
  return {
    layers,
    total_size: sumOf(layers),
    ...(config?.platform.os ? { platform: formatPlatform(config.platform) } : {}),
    ...(config?.created ? { created: config.created } : {}),
    ...(content.kind === "image" ? { config_digest: content.config.digest } : {}),
    ...(inDepth && config ? { config: configReport(config.document) } : {}),
  };
}

/** How the place holds these layers; empty for places that do not tell. */
async function layerStates(
  source: ImageSource,
  layers: readonly Descriptor[],
): Promise<ReadonlyMap<string, LayerState>> {
  return layers.length > 0 ? await source.storedLayers?.(layers) ?? new Map() : new Map();
}

function withStates(layers: readonly LayerReport[], states: ReadonlyMap<string, LayerState>): readonly LayerReport[] {
  return layers.map((layer) => {
    const state = states.get(layer.digest);
    if (!state) return layer;
    const { stored, chunks, rawSizeBytes, problem } = state;
    return {
      ...layer,
      stored,
      ...(chunks === undefined ? {} : { chunks }),
      ...(rawSizeBytes === undefined ? {} : { raw_size: rawSizeBytes }),
      ...(problem === undefined ? {} : { problem }),
    };
  });
}

interface ReadConfig {
  readonly document: JsonObject;
  readonly platform: Platform;
  readonly created: string;
}

/** What is told of each config of many. */
type ConfigSummary = Pick<ReadConfig, "platform" | "created">;

async function configSummary(source: ImageSource, image: ImageManifest): Promise<ConfigSummary | undefined> {
  const config = await configOf(source, image);
  return config && { platform: config.platform, created: config.created };
}

/** The config of an image; undefined where it is no image config (artifacts) or is not there. */
async function configOf(source: ImageSource, manifest: ImageManifest): Promise<ReadConfig | undefined> {
  if (!/(?:container\.image|image\.config)\.v1\+json$/.test(manifest.config.mediaType)) return undefined;
  try {
    const document = await readConfig(source, manifest);
    const created = document["created"];
    return {
      document,
      platform: parsePlatformObject(document, `config of "${source.name}"`),
      created: typeof created === "string" ? created : "",
    };
  } catch (error) {
    if (!isImageError(error, "not-found")) throw error;
    return undefined;
  }
}

/** Takes from a config what it names in the right shape; the rest of a config is free-form and stays out. */
function configReport(document: JsonObject): ConfigReport {
  const config = isObject(document["config"]) ? document["config"] : {};
  const rootfs = isObject(document["rootfs"]) ? document["rootfs"] : {};
  const strings = (value: unknown) =>
    Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
  const text = (value: unknown) => typeof value === "string" ? value : "";
  const keys = (value: unknown) => isObject(value) ? Object.keys(value) : [];
  const labels = isObject(config["Labels"]) ? config["Labels"] : {};
  return {
    entrypoint: strings(config["Entrypoint"]),
    cmd: strings(config["Cmd"]),
    env: strings(config["Env"]),
    working_dir: text(config["WorkingDir"]),
    user: text(config["User"]),
    exposed_ports: keys(config["ExposedPorts"]),
    volumes: keys(config["Volumes"]),
    labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, text(value)])),
    history: (Array.isArray(document["history"]) ? document["history"] : []).filter(isObject).map((step) => ({
      created: text(step["created"]),
      created_by: text(step["created_by"]),
      empty_layer: step["empty_layer"] === true,
    })),
    diff_ids: strings(rootfs["diff_ids"]),
  };
}

function layerReport(layer: Descriptor): LayerReport {
  return { digest: layer.digest, size: layer.size, media_type: layer.mediaType };
}

function sumOf(layers: readonly LayerReport[]): number {
  return layers.reduce((sum, layer) => sum + layer.size, 0);
}

function platformMembers(platform: Platform): Pick<PlatformReport, "os" | "architecture" | "variant" | "os_version"> {
  return {
    os: platform.os,
    architecture: platform.architecture,
    ...(platform.variant ? { variant: platform.variant } : {}),
    ...(platform.osVersion ? { os_version: platform.osVersion } : {}),
  };
}

function referrerReport(referrer: Descriptor): { digest: string; artifact_type: string; size: number } {
  return { digest: referrer.digest, artifact_type: referrer.artifactType ?? referrer.mediaType, size: referrer.size };
}
