import { isImageError } from "../errors.ts";
import type { ObjectStore } from "./object_store.ts";

/** Key of the object that is written for a moment; no command takes it for anything else. */
const PROBE_KEY = "s3lo-probe/condition";

/**
 * Whether a store heeds conditions, tried out by writing one small object twice: some servers take a conditional write for
 * an ordinary one and say nothing. Ask before relying on conditions to keep two writers apart. Throws `denied` when the
 * identity may not write.
 */
export async function heedsConditions(store: ObjectStore): Promise<boolean> {
  const bytes = new TextEncoder().encode("This object may be removed\n");
  // What an earlier, interrupted try left behind answers the question too.
  if (await isRefused(store, bytes)) return true;
  const heeded = await isRefused(store, bytes);
  await store.remove([PROBE_KEY]);
  return heeded;
}

async function isRefused(store: ObjectStore, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    await store.write(PROBE_KEY, bytes, { condition: { absent: true } });
    return false;
  } catch (error) {
    if (isImageError(error, "conflict")) return true;
    if (isImageError(error, "unsupported")) return false;
    throw error;
  }
}
