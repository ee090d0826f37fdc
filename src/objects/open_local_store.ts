import { ImageError } from "../errors.ts";
import { isMissing } from "../bytes/system_code.ts";
import { localError } from "./local_errors.ts";
import { OWN_FOLDER } from "./local_folders.ts";
import { LocalStore } from "./local_store.ts";

/** How a folder is opened as a store. */
export interface LocalStoreOptions {
  /** Path of the folder; what the store is called. */
  readonly folder: string;
  /** Whether it will be written to; then it is made if need be. Default "read". */
  readonly access?: "read" | "write";
  /**
   * Whether the user said that this folder is the store. Then any folder can be read: a store of the first version (one
   * folder for each image) shows no sign of being one.
   */
  readonly isNamed?: boolean;
  /** Whether a store may be started in a folder that holds something else already. */
  readonly create?: boolean;
  /** Stops every operation of the store. */
  readonly signal?: AbortSignal | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

/**
 * Opens a folder as an object store.
 *
 * For writing, a folder that is missing or empty becomes a store with the first write, one that holds something else only
 * with `create`; nothing is touched before that, so that a dry run leaves no trace. Throws `not-found` when there is no store
 * to read, `conflict` when the folder holds something else, `denied` when the system says so.
 */
export async function openLocalStore(options: LocalStoreOptions): Promise<LocalStore> {
  const { folder, access = "read", create = false, isNamed = false, signal, log } = options;
  try {
    if (!await isStoreFolder(folder)) {
      if (access === "read" && !(isNamed && await exists(folder))) throw noStore(folder);
      // Asked again: another process may have started the store between the two looks.
      const isOther = access === "write" && !create && !await isEmpty(folder) && !await isStoreFolder(folder);
      if (isOther) throw holdsOther(folder);
    }
  } catch (error) {
    throw localError(error, "open the store", folder);
  }
  return new LocalStore(folder, { isWritten: access === "write", signal, log });
}

/**
 * Whether a folder is a store: it has our own folder, the bucket's settings, or blobs without being an image layout. A
 * folder that is not there is none.
 */
export async function isStoreFolder(folder: string): Promise<boolean> {
  const [own, settings, blobs, manifests, layout] = await Promise.all(
    [OWN_FOLDER, "s3lo.yaml", "blobs", "manifests", "oci-layout"].map((name) => exists(`${folder}/${name}`)),
  );
  return own === true || settings === true || (blobs === true && (manifests === true || layout === false));
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function isEmpty(folder: string): Promise<boolean> {
  try {
    for await (const _ of Deno.readDir(folder)) return false;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return true;
}

function noStore(folder: string): ImageError {
  return new ImageError("not-found", `Cannot open the store "${folder}": there is none`, {
    hint: 'Check the path; a store is a folder with "blobs" and "manifests" inside',
  });
}

function holdsOther(folder: string): ImageError {
  return new ImageError("conflict", `Cannot start a store in "${folder}": it holds something else`, {
    hint: "Name an empty folder, or add --create to start a store beside what is there",
  });
}
