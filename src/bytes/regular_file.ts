import { ImageError } from "../errors.ts";
import { systemCode, undefinedIfMissing } from "./system_code.ts";

/** What tells one file from another, and how it is now. */
export type FileFacts = Pick<Deno.FileInfo, "isFile" | "size" | "mtime" | "dev" | "ino" | "uid" | "mode">;

/** A regular file that is open for reading. */
export interface RegularFile extends Disposable {
  /** As it was when it was opened. */
  readonly facts: FileFacts;
  /** Reads on from the position; null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Moves the position to so many bytes from the start. */
  seek(position: number): Promise<number>;
  close(): void;
}

/**
 * Opens a file for reading, also through a link; undefined when there is none, or a folder.
 *
 * Never waits for anybody: a pipe, socket or device is refused with `invalid-input`, also where it takes the file's place at
 * the last moment.
 */
export async function openRegularFile(path: string, os = Deno.build.os): Promise<RegularFile | undefined> {
  try {
    // Looked at before: to open a device can move something.
    const found = await Deno.stat(path);
    if (found.isDirectory) return undefined;
    if (!found.isFile) throw noRegularFile(path);
    return os === "windows" ? await openPlainly(path) : await openWithoutWaiting(path);
  } catch (error) {
    // What a socket that took its place says.
    if (systemCode(error) === "ENXIO") throw noRegularFile(path);
    return undefinedIfMissing(error);
  }
}

/** The error for what is there and no regular file. */
export function noRegularFile(path: string): ImageError {
  return new ImageError("invalid-input", `Cannot use "${path}": it is no regular file`, {
    hint: "Remove it: a pipe, socket or device has no place there",
  });
}

/** Deno's own opening waits for a writer where a pipe took the file's place since it was looked at. */
async function openWithoutWaiting(path: string): Promise<RegularFile | undefined> {
  // Loaded here: whoever only reads a bucket would wait for it too.
  const [{ closeSync, constants, fstat, open, read }, { promisify }] = await Promise.all([
    import("node:fs"),
    import("node:util"),
  ]);
  // An old runtime's own promise gives the number bare, or lacks it.
  const readAt = (into: Uint8Array, position: number) =>
    new Promise<number>((resolve, reject) =>
      read(file, into, 0, into.byteLength, position, (error, count) => error ? reject(error) : resolve(count))
    );
  const file = await promisify(open)(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(file);
    isOpen = false;
  };
  try {
    const facts = await promisify(fstat)(file);
    if (facts.isDirectory()) return void close();
    if (!facts.isFile()) throw noRegularFile(path);
    let position = 0;
    return {
      facts: { ...facts, mtime: new Date(Math.floor(facts.mtimeMs)), isFile: true },
      async read(into) {
        const bytesRead = await readAt(into, position);
        position += bytesRead;
        return bytesRead === 0 ? null : bytesRead;
      },
      seek: (to) => Promise.resolve(position = to),
      close,
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function openPlainly(path: string): Promise<RegularFile> {
  const file = await Deno.open(path);
  let isOpen = true;
  const close = () => {
    if (isOpen) file.close();
    isOpen = false;
  };
  try {
    return {
      facts: await file.stat(),
      read: (into) => file.read(into),
      seek: (to) => file.seek(to, Deno.SeekMode.Start),
      close,
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
