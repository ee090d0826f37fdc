import { ImageError } from "../errors.ts";
import type { BlobReader } from "../bytes/blob_reader.ts";
import { type PartialContent, PartialFile } from "../bytes/partial_file.ts";
import { bytesReader } from "../bytes/blob_reader.ts";
import { syncFolder } from "../bytes/sync_folder.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { algorithmOf, blobFolder, blobPath, hexOf } from "../oci/digest.ts";
import { isObject, jsonBytes, Members, parseJsonObject } from "../oci/json.ts";
import type { Manifest } from "../oci/manifest.ts";
import { openArchiveOutput, writeError } from "./archive_output.ts";
import { CONTAINERD_NAME, isSameName, type LayoutName, REF_NAME } from "./image_names.ts";
import { LAYOUT_BYTES, layoutEntries, layoutIndex } from "./layout_writer.ts";

/** What the names of blobs begin with that a later run can go on with. */
const PARTIAL_PREFIX = ".s3lo-partial-";

const PIECE_BYTES = 1024 * 1024;

/** A folder with an OCI image layout that is written to: made where it is missing, other images in it stay. */
export class LayoutFolder {
  readonly #path: string;

  /** `path` of the folder; nothing is touched yet. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Whether the folder has a blob of that digest and length. */
  async has(blob: Descriptor): Promise<boolean> {
    try {
      const info = await Deno.stat(`${this.#path}/${blobPath(blob.digest)}`);
      return info.isFile && info.size === blob.size;
    } catch {
      return false;
    }
  }

  /** Makes the folder and the marker. Throws `conflict` when the path is something else, `unsupported`, `denied`. */
  async prepare(): Promise<void> {
    try {
      await Deno.mkdir(this.#path, { recursive: true });
    } catch (cause) {
      if (cause instanceof Deno.errors.AlreadyExists || cause instanceof Deno.errors.NotADirectory) {
        throw new ImageError("conflict", `Cannot write image layout "${this.#path}": something else is there`, {
          cause,
        });
      }
      throw writeError(cause, `image layout "${this.#path}"`);
    }
    const marker = await readFile(`${this.#path}/oci-layout`);
    if (!marker) return await this.#mark();
    const version = parseJsonObject(marker, `"oci-layout" of "${this.#path}"`)["imageLayoutVersion"];
    if (typeof version === "string" && !version.startsWith("1.")) {
      throw new ImageError(
        "unsupported",
        `Cannot write image layout "${this.#path}": version "${version}" is not known`,
      );
    }
  }

  /**
   * Makes the marker unless somebody else was faster: it is also the lock of those who publish, so it must stay the same
   * file once it is there.
   */
  async #mark(): Promise<void> {
    const path = `${this.#path}/oci-layout`;
    const temporary = `${this.#path}/.oci-layout.${crypto.randomUUID().slice(0, 8)}`;
    try {
      using file = await Deno.open(temporary, { write: true, createNew: true });
      await file.write(LAYOUT_BYTES);
      await file.syncData();
      try {
        await Deno.link(temporary, path);
      } catch (cause) {
        // Some file systems of removable media have no links.
        if (!(cause instanceof Deno.errors.AlreadyExists)) await Deno.rename(temporary, path);
      }
    } catch (cause) {
      throw writeError(cause, `image layout "${this.#path}"`);
    } finally {
      await Deno.remove(temporary).catch(() => {});
    }
  }

  /** Writes a blob; it appears under its name only once the stream has come to its end. Does not close `content`. */
  async writeBlob(blob: Descriptor, content: BlobReader): Promise<void> {
    try {
      await Deno.mkdir(`${this.#path}/${blobFolder(algorithmOf(blob.digest))}`, { recursive: true });
    } catch (cause) {
      throw writeError(cause, `image layout "${this.#path}"`);
    }
    await this.#write(blobPath(blob.digest), content);
  }

  /**
   * Writes a large blob, going on where an earlier run was cut off; false when somebody else is at it. It appears under its
   * name only once it is whole.
   */
  async continueBlob(blob: Descriptor, content: PartialContent): Promise<boolean> {
    const path = `${this.#path}/${blobPath(blob.digest)}`;
    try {
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await using partial = await PartialFile.open(`${this.#path}/${PARTIAL_PREFIX}${hexOf(blob.digest)}`);
      if (!partial) return false;
      await partial.complete(content, async (reader, sizeBytes) => {
        let buffer = new Uint8Array(PIECE_BYTES);
        let left = sizeBytes;
        for (let piece = await reader.read(buffer); piece.byteLength > 0; piece = await reader.read(buffer)) {
          await partial.write(piece);
          left -= piece.byteLength;
          buffer = piece.buffer.byteLength === PIECE_BYTES ? new Uint8Array(piece.buffer) : new Uint8Array(PIECE_BYTES);
        }
        if (left !== 0) throw new ImageError("digest-mismatch", `Cannot write blob "${blob.digest}": wrong length`);
      });
      await partial.moveTo(path);
      await syncFolder(path.slice(0, path.lastIndexOf("/")));
      return true;
    } catch (cause) {
      throw writeError(cause, `image layout "${this.#path}"`);
    }
  }

  /**
   * Adds a root to `index.json` under its names, in place of what had them, in one step; all other entries stay as they
   * are. Writers of one layout on this machine wait for each other.
   */
  async publish(root: Manifest, names: readonly LayoutName[], loose: readonly Descriptor[] = []): Promise<void> {
    using lock = await Deno.open(`${this.#path}/oci-layout`);
    await lock.lock(true);
    try {
      await this.#publish(root, names, loose);
    } finally {
      await lock.unlock();
    }
  }

  async #publish(root: Manifest, names: readonly LayoutName[], loose: readonly Descriptor[]): Promise<void> {
    const what = `"index.json" of "${this.#path}"`;
    const before = await readFile(`${this.#path}/index.json`);
    const document = before ? parseJsonObject(before, what) : undefined;
    const entries = document ? new Members(document, what).array("manifests") ?? [] : [];
    const added = [...layoutEntries(root.descriptor, names), ...loose.flatMap((each) => layoutEntries(each, []))];
    const kept = entries.filter((entry) => !added.some((own) => replaces(own, entry)));
    const manifests = [...kept, ...added];
    const bytes = document ? jsonBytes({ ...document, manifests }) : layoutIndex(manifests);
    // The folders on the way to the blobs may be new.
    for (const folder of [`${this.#path}/blobs`, this.#path, `${this.#path}/..`]) await syncFolder(folder);
    await this.#write("index.json", bytesReader(bytes));
  }

  async #write(file: string, content: BlobReader): Promise<void> {
    await using output = await openArchiveOutput(`${this.#path}/${file}`);
    await output.writeAll(content);
    await output.commit();
  }
}

/** Whether a new entry takes an old one's place: the same name, or both without one for the same digest. */
function replaces(
  added: { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> },
  entry: unknown,
): boolean {
  if (!isObject(entry)) return false;
  const annotations = isObject(entry["annotations"]) ? entry["annotations"] : {};
  const name = annotations[CONTAINERD_NAME] ?? annotations[REF_NAME];
  const ownName = added.annotations?.[CONTAINERD_NAME] ?? added.annotations?.[REF_NAME];
  if (typeof name === "string" && ownName !== undefined) {
    // A word alone is a tag, and not the image of that name.
    return name === ownName || (/[/:]/.test(name) && /[/:]/.test(ownName) && isSameName(name, ownName));
  }
  if (name !== undefined || ownName !== undefined) return false;
  return entry["digest"] === added.digest;
}

async function readFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw cause;
  }
}
