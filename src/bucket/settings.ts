import type { Document } from "yaml";
import { clipped, ImageError, isImageError } from "../errors.ts";
import type { ObjectStore } from "../objects/object_store.ts";
import { SETTINGS_KEY } from "./keys.ts";
import { matchesGlob } from "./glob.ts";

/** Largest `s3lo.yaml` that is read, in bytes: thousands of images. */
const MAX_SETTINGS_BYTES = 256 * 1024;

/** Most keys marked by `?`, which nobody needs here: a few hundred inside of each other would take the parser minutes. */
const MAX_MARKED_KEYS = 32;

/** What is configured for one image, or for all of them. */
export interface ImageSettings {
  /** Whether a tag that exists may not be replaced; undefined where nothing is said. */
  readonly immutable?: boolean;
}

/** What `s3lo.yaml` says, as far as s3lo acts on it. */
export interface BucketSettings {
  readonly default: ImageSettings;
  /** By image name or glob, in the order of the file. */
  readonly images: ReadonlyMap<string, ImageSettings>;
  /** Version of the chunk format in use; undefined when no layer was ever chunked. */
  readonly chunkFormat?: number;
}

/**
 * Reads the bucket's configuration; one without has none of anything.
 *
 * Throws `invalid-input` when the file is not YAML or a member has the wrong type: protection that cannot be read must not
 * be taken for none.
 */
export async function readSettings(store: ObjectStore): Promise<BucketSettings> {
  const found = await readObject(store);
  if (!found) return { default: {}, images: new Map() };
  // version 1.1 takes `yes` and `on` for true, as writers of older files expect.
  const document = await parseYaml(found.bytes, store, "1.1");
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: 100 }); // stops alias bombs
  } catch (cause) {
    throw invalid(store, "it is not valid YAML", cause);
  }
  return parseSettings(plain, store);
}

/** The file's document. Throws `invalid-input` when it is not YAML, or names a key twice. */
async function parseYaml(bytes: Uint8Array, store: ObjectStore, version: "1.1" | "1.2"): Promise<Document> {
  const { isScalar, parseDocument, visit } = await import("yaml");
  const text = settingsText(bytes, store);
  try {
    // The library compares each key with all others of its mapping, which takes most of the time for some thousand keys.
    const document = parseDocument(text, { version, uniqueKeys: false, logLevel: "silent" });
    if (document.errors.length > 0) throw document.errors[0];
    visit(document, {
      Map(_, { items }) {
        const known = new Set<unknown>();
        for (const { key } of items) {
          const value = isScalar(key) ? key.value : key;
          // Version 1.1 merges by `<<`, as often as one likes.
          if (known.has(value) && !(version === "1.1" && value === "<<")) {
            throw invalid(store, `it names "${clipped(String(value))}" twice`);
          }
          known.add(value);
        }
      },
    });
    return document;
  } catch (cause) {
    throw isImageError(cause) ? cause : invalid(store, "it is not valid YAML", cause);
  }
}

/** The text of the file, unless parsing it would take for ever. */
function settingsText(bytes: Uint8Array, store: ObjectStore): string {
  const text = new TextDecoder().decode(bytes);
  const marked = text.match(/(?<![^\s[{,])\?(?!\S)/g)?.length ?? 0;
  if (marked > MAX_MARKED_KEYS) throw invalid(store, `it has more than ${MAX_MARKED_KEYS} keys marked by "?"`);
  return text;
}

/** Without the permission to list, S3 answers alike for an object that may not be read and one that is not there. */
async function readObject(store: ObjectStore): ReturnType<ObjectStore["read"]> {
  try {
    return await store.read(SETTINGS_KEY, MAX_SETTINGS_BYTES);
  } catch (error) {
    if (!isImageError(error, "denied")) throw error;
    throw new ImageError(
      "denied",
      `Cannot tell whether ${SETTINGS_KEY} of "${store.name}" protects the tag: ${error.message}`,
      {
        hint: "Grant s3:ListBucket on the bucket (a missing object is then told from a forbidden one), or pass --force",
        cause: error,
      },
    );
  }
}

/** The settings in force for an image: the default, overridden by the first key that matches its name. */
export function settingsOf(settings: BucketSettings, image: string): ImageSettings {
  const hasWildcard = (key: string) => /[*?]/.test(key);
  const keys = [...settings.images.keys()].sort((left, right) =>
    Number(hasWildcard(left)) - Number(hasWildcard(right)) || right.length - left.length || (left < right ? -1 : 1)
  );
  const match = keys.find((key) => matchesGlob(key, image));
  const override = match === undefined ? {} : settings.images.get(match) ?? {};
  return { ...settings.default, ...override };
}

/**
 * Notes in the configuration that layers are stored in chunks of the given format, before the first one is. Everything
 * else in the file stays, comments too; somebody else's change in between is built upon.
 */
export async function stampChunkFormat(store: ObjectStore, chunkFormat: number): Promise<void> {
  for (let tries = 1;; tries++) {
    const found = await store.read(SETTINGS_KEY, MAX_SETTINGS_BYTES);
    // Not read as version 1.1: its writer would give mappings another shape, and what is not touched stays as it is.
    const document = await parseYaml(found?.bytes ?? new Uint8Array(0), store, "1.2");
    document.set("chunk_format", chunkFormat);
    const bytes = new TextEncoder().encode(document.toString({ indent: 4, lineWidth: 0 })) as Uint8Array<ArrayBuffer>;
    try {
      return await store.write(SETTINGS_KEY, bytes, { condition: found ? { etag: found.etag } : { absent: true } });
    } catch (error) {
      if (!isImageError(error, "conflict") || tries >= 10) throw error;
    }
  }
}

function parseSettings(document: unknown, store: ObjectStore): BucketSettings {
  if (document === null || document === undefined) return { default: {}, images: new Map() };
  const root = object(document, "the file", store);
  const images = object(root["images"] ?? {}, "images", store);
  const chunkFormat = root["chunk_format"] ?? undefined;
  if (chunkFormat !== undefined && !Number.isSafeInteger(chunkFormat)) {
    throw invalid(store, "chunk_format must be a whole number");
  }
  return {
    default: parseImageSettings(root["default"] ?? {}, "default", store),
    images: new Map(
      Object.entries(images).map(([name, value]) => [name, parseImageSettings(value ?? {}, `images.${name}`, store)]),
    ),
    ...(chunkFormat === undefined || chunkFormat === 0 ? {} : { chunkFormat: chunkFormat as number }),
  };
}

function parseImageSettings(value: unknown, where: string, store: ObjectStore): ImageSettings {
  const immutable = object(value, where, store)["immutable"] ?? undefined;
  if (immutable === undefined) return {};
  if (typeof immutable !== "boolean") throw invalid(store, `${where}.immutable must be true or false`);
  return { immutable };
}

function object(value: unknown, where: string, store: ObjectStore): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(store, `${where} must be a mapping`);
  }
  return value as Record<string, unknown>;
}

function invalid(store: ObjectStore, why: string, cause?: unknown): ImageError {
  return new ImageError("invalid-input", `Cannot read ${SETTINGS_KEY} of "${store.name}": ${why}`, {
    hint: "Fix the file, or pass --force to go on without its protection",
    cause,
  });
}
