/** Paths for unix sockets that tests listen on: Deno grants such a path only by its whole name. */

/** The variable that names the folder whose sockets `0.sock`, `1.sock`, … the test run may use. */
export const SOCKET_FOLDER_VARIABLE = "S3LO_TEST_SOCKETS";

/** How many sockets one test file may have. */
export const SOCKET_COUNT = 32;

let used = 0;

/** A path that no other test of this file got, with nothing there yet; short enough for a socket. */
export async function socketPath(): Promise<string> {
  const folder = Deno.env.get(SOCKET_FOLDER_VARIABLE) ?? await Deno.makeTempDir({ prefix: "s3lo-socket-" });
  const path = `${folder}/${used++ % SOCKET_COUNT}.sock`;
  await Deno.remove(path).catch(() => {}); // of another test file
  return path;
}
