/** What came of trying to lock a file: ours now, somebody else's, or the runtime or file system has no such locks. */
export type LockResult = "locked" | "busy" | "unsupported";

/** Tries to take a file's exclusive lock, which goes with the process that holds it; does not wait. */
export async function tryLockFile(file: Deno.FsFile): Promise<LockResult> {
  // Deno before 2.5 has locks that wait only.
  if (typeof file.tryLock !== "function") return "unsupported";
  try {
    return await file.tryLock(true) ? "locked" : "busy";
  } catch {
    return "unsupported";
  }
}

/**
 * Lets a file's lock go before the file is closed: closing alone frees it late on Deno 2.4, whose lock lives in a copy of the
 * descriptor. Where the system says that there is no lock (as Windows' may) closing is what frees it.
 */
export async function unlockFile(file: Deno.FsFile): Promise<void> {
  await file.unlock().catch(() => {});
}
