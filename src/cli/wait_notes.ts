import type { Wait } from "../bytes/retry.ts";
import { formatDuration } from "./text.ts";

/** Waits up to this long go unsaid. */
const UNSAID_MS = 2000;

/**
 * Says long waits for a server, once for each server at a time: when ten blobs wait for the same one, one line is enough.
 */
export function waitNotes(note: (text: string) => void, now: () => number = () => performance.now()) {
  const saidUntil = new Map<string, number>();
  return ({ reason, host, waitMs }: Wait): void => {
    if (waitMs <= UNSAID_MS || (saidUntil.get(host) ?? -Infinity) > now()) return;
    saidUntil.set(host, now() + waitMs);
    note(`Waiting for ${host}, up to ${formatDuration(waitMs)}: ${reason}`);
  };
}
