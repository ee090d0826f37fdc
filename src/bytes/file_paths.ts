import { posix, win32 } from "node:path";

/** The folder of a file, on an operating system as `Deno.build.os` names it: on Windows both slashes part names. */
export function folderOf(path: string, os: string = Deno.build.os): string {
  return on(os).dirname(path);
}

/** The name of a file without its folder, on an operating system as `Deno.build.os` names it. */
export function nameOf(path: string, os: string = Deno.build.os): string {
  return on(os).basename(path);
}

/** What stands between the folders of a list such as `SSL_CERT_DIR`: `:`, on Windows `;`. */
export function listDelimiter(os: string = Deno.build.os): string {
  return on(os).delimiter;
}

function on(os: string): typeof posix {
  return os === "windows" ? win32 : posix;
}
