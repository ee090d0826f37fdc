import { isImageError } from "../errors.ts";
import type { ObjectStore } from "./object_store.ts";

/** Where objects are written for a moment; no command takes them for anything else. */
const PROBE_FOLDER = "s3lo-probe/";

/** What is known of the stores of this run. */
const known = new WeakMap<ObjectStore, Promise<boolean>>();

/**
 * Whether a store heeds conditions. Where that is not certain it is tried out, once, by writing one small object twice:
 * some servers take a conditional write for an ordinary one and say nothing. Ask before relying on conditions to keep two
 * writers apart. Where the identity may not write what is tried out with, they count as not heeded.
 */
export async function heedsConditions(store: ObjectStore): Promise<boolean> {
  if (store.isConditional) return true;
  const answer = known.get(store) ?? tryOut(store);
  known.set(store, answer);
  answer.catch(() => known.delete(store));
  return await answer;
}

async function tryOut(store: ObjectStore): Promise<boolean> {
  const bytes = new TextEncoder().encode("This object may be removed\n");
  // A key of its own: another process that probes at the same moment and removes the object would spoil the answer.
  const key = `${PROBE_FOLDER}${crypto.randomUUID()}`;
  const isFirstRefused = await isRefused(store, key, bytes);
  const isHeeded = isFirstRefused ? false : await isRefused(store, key, bytes);
  await store.remove([key]).catch((error) => {
    // Who may write need not be allowed to remove; the object is a few bytes that say that they may go.
    if (isImageError(error, "aborted")) throw error;
  });
  return isHeeded;
}

async function isRefused(store: ObjectStore, key: string, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    await store.write(key, bytes, { condition: { absent: true } });
    return false;
  } catch (error) {
    if (isImageError(error, "conflict")) return true;
    if (isImageError(error, "unsupported") || isImageError(error, "denied")) return false;
    throw error;
  }
}
