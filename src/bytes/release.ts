/** Below this a buffer may be a part of the runtime's pool for small ones, which others use too. */
const MIN_RELEASED_BYTES = 64 * 1024;

/**
 * Gives a large buffer's memory back at once, instead of whenever garbage is collected next, and makes all views of it
 * empty. Only for buffers that nobody else holds.
 *
 * A stream of buffers of some MiB otherwise leaves hundreds of MiB behind between two collections, and filling fresh
 * memory all the time costs more than what is done with it.
 */
export function release(bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.buffer.byteLength >= MIN_RELEASED_BYTES) bytes.buffer.transfer(0);
}
